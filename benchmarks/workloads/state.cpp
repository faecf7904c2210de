// SPDX-License-Identifier: Apache-2.0
#include "workloads/state.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/internals.hpp"
#include "base/machine.hpp"
#include "base/stopwatch.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/transfer.hpp"
#include "layout/generation.hpp"
#include "lthash/summation.hpp"
#include "store/commit_store.hpp"
#include "workloads/child.hpp"
#include "workloads/series.hpp"

namespace flatkv::bench {
namespace {

constexpr std::uint64_t kSmallBlock = 10;
constexpr std::uint64_t kSameBlocks = 10;
constexpr double kLongestSnapshot = 300;  // seconds
/// Streams of the steps' blocks, so that none repeats those of another.
enum : std::uint64_t { kLogStream = 1, kSnapshotStream, kOneStream, kSameStream, kKillStream };

double per_second(std::uint64_t count, double seconds) {
  return static_cast<double>(count) / std::max(seconds, 1e-9);
}

class StateRun {
 public:
  explicit StateRun(const StateOptions& options)
      : options_(options),
        store_(options.directory + "/store"),
        copy_(options.directory + "/copy"),
        stream_(options.directory + "/state.flatkv") {}

  Result<std::vector<Step>> run() {
    FLATKV_TRY(step("load", [this] { return load(); }));
    FLATKV_TRY(step("log", [this] { return log(); }));
    FLATKV_TRY(step("open_clean", [this] { return open_clean(); }));
    FLATKV_TRY(step("commits_beside_snapshot", [this] { return commits_beside_snapshot(); }));
    FLATKV_TRY(step("snapshot", [this] { return snapshot(); }));
    FLATKV_TRY(step("export", [this] { return export_it(); }));
    FLATKV_TRY(step("check", [this] { return check(); }));
    FLATKV_TRY(step("import", [this] { return import_it(); }));
    FLATKV_TRY(step("verify", [this] { return verify(); }));
    FLATKV_TRY(step("same_blocks", [this] { return same_blocks(); }));
    FLATKV_TRY(step("commits_before_kill", [this] { return commits_before_kill(); }));
    FLATKV_TRY(step("catch_up", [this] { return catch_up(); }));
    return std::move(steps_);
  }

 private:
  Status step(const char* name, const std::function<Result<Step>()>& work) {
    if (options_.progress) options_.progress(name, 0, 0);
    FLATKV_ASSIGN(Step done, run_child(name, options_.stop, work));
    steps_.push_back(std::move(done));
    return {};
  }

  std::unique_ptr<Workload> blocks(std::uint64_t stream, std::uint64_t writes = 0) const {
    Shape shape = options_.shape;
    shape.stream = stream;
    if (writes != 0) shape.writes = writes;
    auto workload = make_workload("slots", shape);
    if (stream != 0) workload->skip_load();
    return workload;
  }
  Options plain() const {
    Options options = options_.store;
    options.durability = Durability::process;
    options.snapshot.interval = 0;
    return options;
  }
  Options large_lag() const {
    Options options = plain();
    options.flush.max_lag_blocks = options.flush.max_lag_bytes = options.flush.write_buffer_bytes =
        std::uint64_t{1} << 40;
    return options;
  }
  TransferOptions transfer(const char* what) const {
    TransferOptions options;
    options.progress = [this, what](std::string_view, std::uint64_t rows, std::uint64_t total) {
      if (options_.progress) options_.progress(what, rows, total);
    };
    return options;
  }

  Result<Step> load() {
    FLATKV_ASSIGN(auto subject, StoreSubject::open(store_, plain()));
    const auto workload = blocks(0);
    Block block;
    double spent = 0;
    std::uint64_t rows = 0;
    while (workload->load(block)) {
      FLATKV_ASSIGN(const PhaseTimes times, subject->run(block));
      spent += static_cast<double>(times.total()) * 1e-9;
      rows += block.writes.size();
      if (options_.progress) options_.progress("load", rows, workload->rows());
    }
    const Stopwatch watch;
    FLATKV_TRY(subject->close());
    const double close = watch.seconds();
    const auto all = static_cast<double>(rows);
    return Step{
        .seconds = spent + close,
        .figures = {
            {"rows", all}, {"rows_per_s", per_second(rows, spent + close)}, {"close_s", close}}};
  }

  Result<Step> log() {
    FLATKV_ASSIGN(auto subject, StoreSubject::open(store_, plain()));
    const auto workload = blocks(kLogStream, kSmallBlock);
    FLATKV_ASSIGN(const Series series, commit(*subject, *workload, options_.log_blocks));
    const std::uint64_t bytes = subject->store().metrics().log_bytes;
    FLATKV_TRY(subject->close());
    return Step{.seconds = series.seconds(),
                .figures = {{"blocks", static_cast<double>(options_.log_blocks)},
                            {"writes_per_block", static_cast<double>(kSmallBlock)},
                            {"blocks_per_s", per_second(options_.log_blocks, series.seconds())},
                            {"log_bytes", static_cast<double>(bytes)}}};
  }

  Result<Step> open_clean() {
    const Stopwatch watch;
    FLATKV_ASSIGN(CommitStore store, CommitStore::open(store_, plain()));
    const double open = watch.seconds();
    if (!store.open_report().clean) {
      return fail(ErrorCode::io, "a store that was closed did not open as clean").path(store_);
    }
    const Stopwatch closing;
    FLATKV_TRY(store.close());
    return Step{.seconds = open,
                .figures = {{"open_ms", open * 1e3}, {"close_ms", closing.seconds() * 1e3}}};
  }

  /// Commits first without, then beside an automatic snapshot.
  Result<Step> commits_beside_snapshot() {
    FLATKV_ASSIGN(const RootsAt at, roots_at(store_, {}));
    Options options = options_.store;
    const std::uint64_t before = blocks_in(options_.seconds);
    const std::int64_t due = at.version + static_cast<std::int64_t>(2 * before);
    options.snapshot.interval = static_cast<std::uint64_t>(due);
    FLATKV_ASSIGN(auto subject, StoreSubject::open(store_, options));
    const auto workload = blocks(kSnapshotStream);
    FLATKV_TRY(commit(*subject, *workload, before));  // fills the caches
    FLATKV_ASSIGN(const Series alone, commit(*subject, *workload, before - 1));
    const std::string there = layout::snapshot_path(
        Internals::impl(subject->store()).core().setup().lifetime->generation(), due);
    const Stopwatch watch;
    Series beside;
    while (::access(there.c_str(), F_OK) != 0) {
      if (watch.seconds() > kLongestSnapshot) {
        return fail(ErrorCode::io, "the automatic snapshot never came").path(there);
      }
      FLATKV_ASSIGN(const Series one, commit(*subject, *workload, 1));
      beside.add(one.entries().front().times);
    }
    const double took = watch.seconds();
    FLATKV_TRY(subject->close());
    const Summary without = alone.block();
    const Summary with = beside.block();
    return Step{.seconds = took,
                .figures = {{"writes_per_block", static_cast<double>(options_.shape.writes)},
                            {"alone_p50_ms", without.p50 * 1e-6},
                            {"alone_p99_ms", without.p99 * 1e-6},
                            {"alone_max_ms", without.max * 1e-6},
                            {"beside_blocks", static_cast<double>(beside.size())},
                            {"beside_p50_ms", with.p50 * 1e-6},
                            {"beside_max_ms", with.max * 1e-6}}};
  }

  /// Roughly how many blocks fit into that time.
  std::uint64_t blocks_in(double seconds) const {
    constexpr double kWritesPerSecond = 250'000;
    const double writes = seconds * kWritesPerSecond;
    return std::max<std::uint64_t>(
        4, static_cast<std::uint64_t>(writes / static_cast<double>(options_.shape.writes)));
  }

  /// On the writer's own thread, which waits for it.
  Result<Step> snapshot() {
    FLATKV_ASSIGN(auto subject, StoreSubject::open(store_, plain()));
    const auto workload = blocks(kOneStream);
    FLATKV_TRY(commit(*subject, *workload, 1));
    const Stopwatch watch;
    FLATKV_TRY(subject->store().snapshot());
    const double took = watch.seconds();
    FLATKV_TRY(subject->close());
    return Step{.seconds = took, .figures = {{"snapshot_ms", took * 1e3}}};
  }

  Result<Step> export_it() {
    const Stopwatch opening;
    FLATKV_ASSIGN(const ReadOnlyStore store, ReadOnlyStore::open(store_));
    const double open = opening.seconds();
    const ReadView view = store.view();
    const Stopwatch watch;
    FLATKV_TRY(export_to_file(view, stream_, transfer("export")));
    const double took = watch.seconds();
    const std::uint64_t rows = view.stats(Database::storage).rows;
    return Step{.seconds = took,
                .figures = {{"rows", static_cast<double>(rows)},
                            {"rows_per_s", per_second(rows, took)},
                            {"clone_ms", open * 1e3}}};
  }

  Result<Step> check() {
    const Stopwatch watch;
    FLATKV_ASSIGN(const StreamSummary found, check_file(stream_, {}, transfer("check")));
    return moved(found, watch.seconds());
  }

  Result<Step> import_it() {
    const Stopwatch watch;
    FLATKV_ASSIGN(const StreamSummary found,
                  import_file(stream_, copy_, {}, {}, transfer("import")));
    return moved(found, watch.seconds());
  }
  static Step moved(const StreamSummary& found, double took) {
    return {.seconds = took,
            .figures = {{"rows", static_cast<double>(found.rows())},
                        {"rows_per_s", per_second(found.rows(), took)}}};
  }

  /// Verifies the imported store; then the kernel alone on as many threads.
  Result<Step> verify() {
    FLATKV_ASSIGN(const ReadOnlyStore store, ReadOnlyStore::open(copy_));
    VerifyOptions options;
    options.progress = transfer("verify").progress;
    const Stopwatch watch;
    FLATKV_ASSIGN(const VerifyReport report, store.verify(options));
    const double took = watch.seconds();
    if (!report.good()) return fail(ErrorCode::corruption, "the import does not verify");
    std::uint64_t rows = 0;
    for (const DatabaseVerdict& verdict : report.databases) rows += verdict.found_stats.rows;
    const double kernel = kernel_rows_per_second();
    const double rate = per_second(rows, took);
    return Step{.seconds = took,
                .figures = {{"rows", static_cast<double>(rows)},
                            {"rows_per_s", rate},
                            {"rows_per_s_per_core", rate / threads()},
                            {"of_kernel", rate / kernel}}};
  }

  static double threads() { return static_cast<double>(machine().cores); }

  double kernel_rows_per_second() const {
    Block block;
    blocks(0)->load(block);
    std::vector<lthash::RowChange> rows;
    for (const KVPair& pair : block.writes) rows.push_back({pair.key.subspan(1), {}, pair.value});
    LtHash sum;
    lthash::Summation summation;
    std::vector<std::uint64_t> times;
    for (int i = 0; i < 50; ++i) {
      const Stopwatch watch;
      for (const auto& row : rows) summation.add(sum, row);
      summation.wait();
      times.push_back(watch.nanoseconds());
    }
    return static_cast<double>(rows.size()) / (summarize(times).p50 * 1e-9);
  }

  /// The same next blocks on both stores must give the same roots.
  Result<Step> same_blocks() {
    FLATKV_ASSIGN(auto mine, StoreSubject::open(store_, plain()));
    FLATKV_ASSIGN(auto theirs, StoreSubject::open(copy_, plain()));
    const auto workload = blocks(kSameStream);
    const Stopwatch watch;
    Block block;
    for (std::uint64_t i = 0; i < kSameBlocks; ++i) {
      workload->next(block);
      FLATKV_TRY(mine->run(block));
      FLATKV_TRY(theirs->run(block));
      if (mine->store().committed_roots() != theirs->store().committed_roots()) {
        return fail(ErrorCode::corruption, "the imported store came to other roots").path(copy_);
      }
    }
    const double took = watch.seconds();
    FLATKV_TRY(mine->close());
    FLATKV_TRY(theirs->close());
    return Step{.seconds = took, .figures = {{"blocks", static_cast<double>(kSameBlocks)}}};
  }

  /// Leaves a log that is ahead of the databases, and a store that nobody closed: the process of
  /// this step ends at once.
  Result<Step> commits_before_kill() {
    FLATKV_ASSIGN(auto subject, StoreSubject::open(store_, large_lag()));
    const auto workload = blocks(kKillStream);
    FLATKV_ASSIGN(const Series series, commit(*subject, *workload, options_.catch_up_blocks));
    static_cast<void>(subject.release());
    return rates(options_.catch_up_blocks, series.seconds());
  }

  Result<Step> catch_up() {
    const Stopwatch watch;
    FLATKV_ASSIGN(CommitStore store, CommitStore::open(store_, large_lag()));
    const double took = watch.seconds();
    const auto replayed = static_cast<std::uint64_t>(store.open_report().replayed_blocks);
    if (replayed != options_.catch_up_blocks) {
      return fail(ErrorCode::io,
                  "the open after the kill replayed " + std::to_string(replayed) + " blocks");
    }
    FLATKV_TRY(store.close());
    return rates(replayed, took);
  }

  Step rates(std::uint64_t count, double took) const {
    return {.seconds = took,
            .figures = {{"blocks", static_cast<double>(count)},
                        {"blocks_per_s", per_second(count, took)},
                        {"writes_per_s", per_second(count * options_.shape.writes, took)}}};
  }

  static Result<Series> commit(StoreSubject& subject, Workload& workload, std::uint64_t count) {
    Series series;
    Block block;
    for (std::uint64_t i = 0; i < count; ++i) {
      workload.next(block);
      FLATKV_ASSIGN(const PhaseTimes times, subject.run(block));
      series.add(times);
    }
    return series;
  }

  const StateOptions& options_;
  const std::string store_;
  const std::string copy_;
  const std::string stream_;
  std::vector<Step> steps_;
};

}  // namespace

Result<std::vector<Step>> run_state(const StateOptions& options) { return StateRun(options).run(); }

}  // namespace flatkv::bench

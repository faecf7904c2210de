// SPDX-License-Identifier: Apache-2.0
#include "workloads/undo_run.hpp"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <optional>
#include <thread>

#include "base/stopwatch.hpp"
#include "workloads/machine.hpp"
#include "workloads/series.hpp"

namespace flatkv::bench {
namespace {

constexpr std::uint64_t kRounds = 200;
constexpr std::uint64_t kHeights = 1000;
constexpr std::uint64_t kEveryHeight = 10;  ///< of the chain's heights one has an undo
constexpr std::int64_t kBlocksUndone = 3;
constexpr std::int64_t kViewBehind = 100;
constexpr int kReaders = 2;
constexpr std::size_t kReadsAView = 16;
constexpr std::int64_t kFarView = 127;
constexpr std::size_t kViews = 20'000;

std::uint64_t sum(const std::vector<std::uint64_t>& times) {
  return std::accumulate(times.begin(), times.end(), std::uint64_t{0});
}

class Measurement {
 public:
  Measurement(const UndoRun& run, std::vector<Step>& steps) : run_(run), steps_(steps) {}

  Status all() {
    for (const std::int64_t depth : {1, 3, 100}) FLATKV_TRY(undos(depth));
    FLATKV_TRY(chain());
    return views();
  }

 private:
  Status commit() {
    FLATKV_TRY(check_cancelled());
    Block block;
    run_.workload.next(block);
    const NamedChangeSet set{kEvmModule, block.writes};
    FLATKV_TRY(run_.store.apply({&set, 1}));
    FLATKV_TRY(run_.store.commit(run_.store.version() + 1));
    return {};
  }

  /// Commits the blocks to undo; with a flush first if they do not all fit above the floor.
  Status prepare(std::int64_t depth) {
    for (int attempt = 0;; ++attempt) {
      for (std::int64_t i = 0; i < depth; ++i) FLATKV_TRY(commit());
      if (run_.store.metrics().undo_floor <= run_.store.version() - depth) return {};
      if (attempt == 3) {
        return fail(ErrorCode::invalid_argument,
                    "the write buffer is too small to keep the blocks that are undone");
      }
      FLATKV_TRY(run_.store.flush());
    }
  }

  Status undos(std::int64_t depth) {
    const std::uint64_t rounds = run_.rounds == 0 ? kRounds : run_.rounds;
    std::vector<std::uint64_t> processor;  // outside syncs; an undo has no other thread
    std::vector<std::uint64_t> wall;
    std::vector<std::uint64_t> in_syncs;
    std::vector<std::uint64_t> syncs;
    for (std::uint64_t round = 0; round < rounds; ++round) {
      tell("undoing blocks", round, rounds);
      FLATKV_TRY(prepare(depth));
      run_.files.take_syncs();
      const std::uint64_t before = processor_nanoseconds();
      const Stopwatch watch;
      FLATKV_TRY(run_.store.rollback(run_.store.version() - depth));
      wall.push_back(watch.nanoseconds());
      std::uint64_t used = processor_nanoseconds() - before;
      std::uint64_t waited = 0;
      for (const SyncTime& sync : run_.files.take_syncs()) {
        used -= sync.processor;
        waited += sync.all;
        syncs.push_back(sync.all);
      }
      processor.push_back(used);
      in_syncs.push_back(waited);
    }
    Step step{.name = "undo_" + std::to_string(depth), .peak_memory = usage().peak_memory};
    step.seconds = static_cast<double>(sum(wall)) * 1e-9;
    const Summary used = summarize(processor);
    const Summary took = summarize(wall);
    step.figures = {{"undos", static_cast<double>(rounds)},
                    {"processor_p50_us", used.p50 / 1e3},
                    {"processor_p99_us", used.p99 / 1e3},
                    {"p50_us", took.p50 / 1e3},
                    {"p99_us", took.p99 / 1e3},
                    {"syncs", static_cast<double>(syncs.size()) / static_cast<double>(rounds)},
                    {"sync_p50_us", summarize(syncs).p50 / 1e3},
                    {"in_syncs_p50_us", summarize(in_syncs).p50 / 1e3}};
    steps_.push_back(std::move(step));
    return {};
  }

  /// Two siblings executed at each height and one committed; an undo of some blocks now and then,
  /// and readers some way behind all the while.
  Status chain() {
    for (std::int64_t i = 0; i <= kViewBehind; ++i) FLATKV_TRY(commit());
    std::atomic<std::uint64_t> reads = 0;
    std::atomic<bool> failed = false;
    std::vector<std::jthread> readers;
    for (int i = 0; i < kReaders; ++i) {
      readers.emplace_back([&, i](const std::stop_token& ended) {
        read_behind(static_cast<std::uint64_t>(i), ended, reads, failed);
      });
    }
    std::vector<std::uint64_t> heights;
    std::vector<std::uint64_t> undos;
    const Stopwatch watch;
    const Status done = grow(heights, undos);
    const double seconds = static_cast<double>(watch.nanoseconds()) * 1e-9;
    readers.clear();
    FLATKV_TRY(Status(done));
    if (failed) return fail(ErrorCode::io, "a view of a recent version could not be read");
    const Summary height = summarize(std::move(heights));
    const Summary undo = summarize(std::move(undos));
    Step step{.name = "chain", .seconds = seconds, .peak_memory = usage().peak_memory};
    step.figures = {{"height_p50_us", height.p50 / 1e3},
                    {"height_p99_us", height.p99 / 1e3},
                    {"undo_p50_us", undo.p50 / 1e3},
                    {"undo_p99_us", undo.p99 / 1e3},
                    {"reads_per_second", static_cast<double>(reads) / std::max(seconds, 1e-9)}};
    steps_.push_back(std::move(step));
    return {};
  }

  Status grow(std::vector<std::uint64_t>& heights, std::vector<std::uint64_t>& undos) {
    const std::uint64_t count = run_.rounds == 0 ? kHeights : run_.rounds * kEveryHeight;
    for (std::uint64_t i = 1; i <= count; ++i) {
      tell("growing a chain that forks", i, count);
      FLATKV_TRY(check_cancelled());
      Block one;
      run_.workload.next(one);
      Block other;
      run_.workload.next(other);
      Stopwatch watch;
      FLATKV_ASSIGN(Overlay winner, executed(one));
      FLATKV_TRY(executed(other));
      FLATKV_TRY(run_.store.commit(winner));
      heights.push_back(watch.nanoseconds());
      if (i % kEveryHeight != 0) continue;
      const std::int64_t target = run_.store.version() - kBlocksUndone;
      if (target < run_.store.metrics().undo_floor) continue;  // just flushed for room
      watch = {};
      FLATKV_TRY(run_.store.rollback(target));
      undos.push_back(watch.nanoseconds());
    }
    return {};
  }

  Result<Overlay> executed(const Block& block) {
    FLATKV_ASSIGN(Overlay overlay, run_.store.overlay());
    const NamedChangeSet set{kEvmModule, block.writes};
    FLATKV_TRY(overlay.apply({&set, 1}));
    FLATKV_TRY(overlay.working_roots());
    return overlay;
  }

  /// Reads loaded rows, at random.
  void read_behind(std::uint64_t number, const std::stop_token& ended,
                   std::atomic<std::uint64_t>& reads, std::atomic<bool>& failed) const {
    Shape shape = run_.shape;
    shape.writes = kReadsAView;
    shape.update_percent = 100;
    shape.stream += 1 + number;
    const auto rows = make_workload("slots", shape);
    rows->skip_load();
    Block block;
    while (!ended.stop_requested() && !failed) {
      rows->next(block);
      const auto view = run_.store.view(run_.store.version() - kViewBehind);
      if (!view) {
        // An undo may have come between the two calls, or buffers were shed for memory.
        if (view.error().code != ErrorCode::version_mismatch) failed = true;
        continue;
      }
      for (const KVPair& pair : block.writes) {
        if (!view->get(pair.key)) failed = true;
        ++reads;
      }
    }
  }

  Status views() {
    for (std::int64_t i = 0; i < kFarView; ++i) FLATKV_TRY(commit());
    const CommitStore& store = run_.store;
    const auto far = store.view(store.version() - kFarView);
    const auto time = [&](auto&& get) -> Result<double> {
      std::vector<std::uint64_t> each;
      for (std::size_t i = 0; i < kViews; i += 100) {
        const Stopwatch watch;
        for (int n = 0; n < 100; ++n) FLATKV_TRY(get());
        each.push_back(watch.nanoseconds() / 100);
      }
      return summarize(std::move(each)).p50;
    };
    Step step{.name = "views", .peak_memory = usage().peak_memory};
    FLATKV_ASSIGN(const double now, time([&] { return store.view(); }));
    step.figures = {{"view_ns", now}};
    if (far) {
      FLATKV_ASSIGN(const double old, time([&] { return store.view(store.version() - kFarView); }));
      step.figures.emplace_back("view_127_ago_ns", old);
    }
    steps_.push_back(std::move(step));
    return {};
  }

  Status check_cancelled() const {
    if (!run_.stop.stop_requested()) return {};
    return fail(ErrorCode::cancelled, "the benchmark was interrupted");
  }
  void tell(std::string_view what, std::uint64_t done, std::uint64_t total) const {
    if (run_.progress) run_.progress(what, done, total);
  }

  const UndoRun& run_;
  std::vector<Step>& steps_;
};

}  // namespace

Status measure_undos(const UndoRun& run, std::vector<Step>& steps) {
  return Measurement(run, steps).all();
}

}  // namespace flatkv::bench

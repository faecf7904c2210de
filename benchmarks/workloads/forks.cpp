// SPDX-License-Identifier: Apache-2.0
#include "workloads/forks.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "base/stopwatch.hpp"
#include "workloads/machine.hpp"
#include "workloads/series.hpp"
#include "workloads/subject.hpp"
#include "workloads/timed_files.hpp"
#include "workloads/undo_run.hpp"

namespace flatkv::bench {
namespace {

/// How many blocks one kind takes before the next.
constexpr std::uint64_t kSlice = 8;
constexpr std::size_t kDeep = 64;
constexpr std::size_t kLookups = 50'000;
constexpr std::size_t kLookupsAtOnce = 1'000;

enum Kind : std::uint8_t { kByHandle, kByOverlay, kTwoSiblings, kKinds };

class ForksRun {
 public:
  explicit ForksRun(const ForksOptions& options) : options_(options) {}

  Result<std::vector<Step>> run() {
    workload_ = make_workload("slots", options_.shape);
    Options given = options_.store;
    given.rollback_depth = kUndoDepth;
    FLATKV_ASSIGN(store_, StoreSubject::open(options_.directory + "/store", given, files_));
    Status done = all();
    const Status closed = store_->close();
    if (done && !closed) done = closed;
    if (!done) return std::unexpected(std::move(done).error());
    return std::move(steps_);
  }

 private:
  Status all() {
    FLATKV_TRY(load());
    FLATKV_TRY(blocks());
    const double one = add_blocks("by_handle", kByHandle, {});
    const double overlay = add_blocks("by_overlay", kByOverlay, {{"over_by_handle", one}});
    add_blocks("two_siblings", kTwoSiblings, {{"over_by_overlay", overlay}});
    FLATKV_TRY(lookups());
    return measure_undos({.store = store(),
                          .files = files_,
                          .workload = *workload_,
                          .shape = options_.shape,
                          .rounds = options_.blocks,
                          .stop = options_.stop,
                          .progress = options_.progress},
                         steps_);
  }

  Status load() {
    Step step{.name = "load"};
    const Stopwatch watch;
    Block block;
    std::uint64_t rows = 0;
    while (workload_->load(block)) {
      FLATKV_TRY(check_cancelled());
      FLATKV_TRY(store_->run(block));
      rows += block.writes.size();
      tell("loading rows", rows, workload_->rows());
    }
    FLATKV_TRY(store_->flush());
    step.seconds = watch.seconds();
    step.peak_memory = usage().peak_memory;
    steps_.push_back(std::move(step));
    return {};
  }

  /// Kinds in turns, and in another order in every round.
  Status blocks() {
    const auto enough = [&] {
      if (options_.blocks != 0) return times_[kByHandle].size() >= options_.blocks;
      std::uint64_t all = 0;
      for (const auto& times : times_) {
        for (const std::uint64_t time : times) all += time;
      }
      return static_cast<double>(all) * 1e-9 >= options_.seconds;
    };
    for (std::uint64_t i = 0; i < options_.warm_up; ++i) {
      FLATKV_TRY(block(static_cast<Kind>(i % kKinds), false));
    }
    for (std::uint64_t round = 0; !enough(); ++round) {
      for (std::uint64_t turn = 0; turn < kKinds; ++turn) {
        const auto kind = static_cast<Kind>((round + turn) % kKinds);
        const std::uint64_t measured = times_[kind].size();
        const std::uint64_t left = options_.blocks == 0 ? kSlice : options_.blocks - measured;
        for (std::uint64_t i = 0; i < std::min(kSlice, left); ++i) FLATKV_TRY(block(kind, true));
      }
      tell("measuring blocks", times_[kByHandle].size(), options_.blocks);
    }
    return {};
  }

  Status block(Kind kind, bool measured) {
    FLATKV_TRY(check_cancelled());
    Block one;
    workload_->next(one);
    Block other;
    if (kind == kTwoSiblings) workload_->next(other);
    const Stopwatch watch;
    if (kind == kByHandle) {
      const NamedChangeSet set{kEvmModule, one.writes};
      FLATKV_TRY(store().apply({&set, 1}));
      FLATKV_TRY(store().commit(store().version() + 1));
    } else {
      FLATKV_ASSIGN(Overlay winner, executed(one));
      if (kind == kTwoSiblings) {
        FLATKV_TRY(executed(other));  // and dropped
      }
      FLATKV_TRY(store().commit(winner));
    }
    if (measured) times_[kind].push_back(watch.nanoseconds());
    return {};
  }
  /// An overlay with the block's writes and its root.
  Result<Overlay> executed(const Block& block) {
    FLATKV_ASSIGN(Overlay overlay, store().overlay());
    const NamedChangeSet set{kEvmModule, block.writes};
    FLATKV_TRY(overlay.apply({&set, 1}));
    FLATKV_TRY(overlay.working_roots());
    return overlay;
  }

  struct Base {
    const char* name;
    double p50;  ///< nanoseconds
  };
  /// Adds the step of a kind; returns its median in nanoseconds.
  double add_blocks(const char* name, Kind kind, std::optional<Base> base) {
    const Summary times = summarize(times_[kind]);
    Step step{.name = name};
    for (const std::uint64_t time : times_[kind]) step.seconds += static_cast<double>(time) * 1e-9;
    step.peak_memory = usage().peak_memory;
    step.figures = {{"blocks", static_cast<double>(times_[kind].size())},
                    {"p50_us", times.p50 / 1e3},
                    {"p99_us", times.p99 / 1e3},
                    {"mean_us", times.mean / 1e3}};
    if (base) step.figures.emplace_back(base->name, times.p50 / std::max(base->p50, 1.0));
    steps_.push_back(std::move(step));
    return times.p50;
  }

  /// Lookups of rows that are there and mostly in none of the blocks, through one and through
  /// `kDeep` of them.
  Status lookups() {
    std::vector<Overlay> chain;
    std::vector<Block> written(kDeep);
    Lookups one;
    for (std::size_t depth = 1; depth <= kDeep; ++depth) {
      tell("lookups through blocks", depth, kDeep);
      FLATKV_TRY(check_cancelled());
      workload_->next(written[depth - 1]);
      FLATKV_ASSIGN(Overlay next, chain.empty() ? store().overlay() : chain.back().child());
      const NamedChangeSet set{kEvmModule, written[depth - 1].writes};
      FLATKV_TRY(next.apply({&set, 1}));
      chain.push_back(std::move(next));
      if (depth != 1 && depth != kDeep) continue;
      FLATKV_ASSIGN(const Overlay top, chain.back().child());
      FLATKV_TRY(look(top, depth, one));
    }
    return {};
  }

  struct Lookups {
    double get = 0;
    double get_many = 0;
  };
  /// `one`: of the step before; replaced by those of this one.
  Status look(const Overlay& top, std::size_t depth, Lookups& one) {
    Shape shape = options_.shape;
    shape.writes = kLookupsAtOnce;
    shape.update_percent = 100;
    const auto workload = make_workload("slots", shape);
    workload->skip_load();
    Step step{.name = "lookups_through_" + std::to_string(depth),
              .peak_memory = usage().peak_memory};
    std::vector<std::uint64_t> single;
    std::uint64_t together = 0;
    for (std::size_t done = 0; done < kLookups; done += kLookupsAtOnce) {
      Block block;
      workload->next(block);
      std::vector<ByteView> keys;
      for (const KVPair& pair : block.writes) keys.push_back(pair.key);
      FLATKV_TRY(top.get_many(keys));  // so that all are in the row cache
      Stopwatch watch;
      FLATKV_TRY(top.get_many(keys));
      together += watch.nanoseconds();
      watch = {};
      for (const ByteView key : keys) FLATKV_TRY(top.get(key));
      single.push_back(watch.nanoseconds() / keys.size());
      step.seconds += watch.seconds();
    }
    const Summary times = summarize(std::move(single));
    const double many = static_cast<double>(together) / kLookups;
    step.figures = {
        {"get_ns", times.p50}, {"get_many_ns", many}, {"blocks", static_cast<double>(depth)}};
    if (one.get != 0) {
      step.figures.emplace_back("get_over_one", times.p50 / one.get);
      step.figures.emplace_back("get_many_over_one", many / one.get_many);
    }
    one = {times.p50, many};
    steps_.push_back(std::move(step));
    return {};
  }

  CommitStore& store() { return store_->store(); }
  Status check_cancelled() const {
    if (!options_.stop.stop_requested()) return {};
    return fail(ErrorCode::cancelled, "the benchmark was interrupted");
  }
  void tell(std::string_view what, std::uint64_t done, std::uint64_t total) const {
    if (options_.progress) options_.progress(what, done, total);
  }

  const ForksOptions& options_;
  std::unique_ptr<Workload> workload_;
  TimedFiles files_;
  std::unique_ptr<StoreSubject> store_;
  std::array<std::vector<std::uint64_t>, kKinds> times_;
  std::vector<Step> steps_;
};

}  // namespace

Result<std::vector<Step>> run_forks(const ForksOptions& options) { return ForksRun(options).run(); }

}  // namespace flatkv::bench

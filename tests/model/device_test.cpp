// SPDX-License-Identifier: Apache-2.0
// A store on a device that answers reads late, in any order, and fails some of them, against a
// plain model. A read that fails is an error of the call that needed it, or of the store, or a
// refusal to open; never an absent row, another root or a lost block. Afterwards the store goes on,
// or reopens with the model's state. FLATKV_SEED repeats a run, FLATKV_DEVICE_STEPS makes it
// longer. docs/hazards.md#ingest-reads
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <iostream>
#include <optional>
#include <thread>

#include "base/bytes.hpp"
#include "flatkv/overlay.hpp"
#include "fs/file_system.hpp"
#include "rocks/slow_tables.hpp"
#include "store/commit_store.hpp"
#include "support/checks.hpp"
#include "support/fault_counts.hpp"
#include "support/files.hpp"
#include "support/model.hpp"
#include "support/random_blocks.hpp"
#include "support/random_runs.hpp"

namespace flatkv::test {
namespace {

constexpr std::uint64_t kStepsOfARun = 250;
constexpr std::size_t kMostStates = 30;
constexpr std::size_t kDeepest = 4;

/// Reads of tables that wait, most of them not for long, and fail when told to.
class Device {
 public:
  Device() {
    tables_.before_read([this](std::uint64_t, std::size_t) {
      const std::uint64_t random = (turn_++ * 0x9e37'79b9'7f4a'7c15U) >> 40;
      if (random % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random % 150));
      const std::int64_t left = left_.fetch_sub(1);
      if (left != 1 && (left > 1 || !lasting_)) return rocksdb::IOStatus::OK();
      ++failed_;
      return rocksdb::IOStatus::IOError("injected", "a failed read");
    });
  }
  rocksdb::Env* env() { return tables_.env(); }

  /// The nth read from now on fails, and with `lasting` all after it.
  void fail_at(std::int64_t nth, bool lasting) {
    lasting_ = lasting;
    left_ = nth;
  }
  void mend() {
    lasting_ = false;
    left_ = 0;
  }
  std::uint64_t failed() const { return failed_; }

 private:
  std::atomic<std::uint64_t> turn_ = 0;
  std::atomic<std::int64_t> left_ = 0;
  std::atomic<bool> lasting_ = false;
  std::atomic<std::uint64_t> failed_ = 0;
  rocks::SlowTables tables_;
};

Options random_options(Random& random) {
  Options options = small_options();
  options.create_if_missing = true;
  options.durability = any_of(random, {Durability::process, Durability::group});
  options.flush.write_buffer_bytes = any_of<std::uint64_t>(random, {4 << 10, 16 << 10, 64 << 10});
  options.cache.row_cache_bytes = any_of<std::uint64_t>(random, {0, 16 << 10});
  options.cache.key_filter_bytes = any_of<std::uint64_t>(random, {0, 800 << 10});
  options.cache.block_cache_bytes = any_of<std::uint64_t>(random, {0, 0, 64 << 10});
  options.reads.in_flight = any_of(random, {1U, 4U, 64U});
  options.reads.prefetch_rows = any_of<std::uint64_t>(random, {10, 65'536});
  options.snapshot.interval = any_of<std::uint64_t>(random, {0, 9});
  options.recent_versions = any_of(random, {0U, 16U});
  options.rollback_depth = any_of(random, {0U, 12U});
  options.scrub.mode = any_of(random, {Scrub::off, Scrub::by_hand});
  options.create.account_rows = any_of(random, {AccountRows::keep, AccountRows::prune_empty});
  return options;
}

class DeviceRun {
 public:
  explicit DeviceRun(std::uint64_t seed)
      : random_(seed), options_(random_options(random_)), model_(options_.create.account_rows) {
    states_.push_back(model_.committed());
  }

  void go(std::uint64_t steps) {
    open();
    for (std::uint64_t i = 0; i < steps && good(); ++i) {
      if (one_in(random_, 2)) {
        device_.fail_at(1 + static_cast<std::int64_t>(below(random_, 1ULL << below(random_, 7))),
                        one_in(random_, 3));
      }
      step();
      device_.mend();
      if (!good()) break;
      if (failed_) recover();
      if (good() && !failed_) check_roots();
    }
    if (good()) recover();
    if (good()) {
      EXPECT_OK(store_->close());
    }
    if (good()) return;
    history_.tell();
  }

 private:
  static bool good() { return !::testing::Test::HasFailure(); }

  void step() {
    struct Operation {
      const char* name;
      std::uint64_t weight;
      void (DeviceRun::*act)();
    };
    static constexpr Operation kAll[] = {{"apply", 30, &DeviceRun::apply},
                                         {"commit", 25, &DeviceRun::commit},
                                         {"reads", 8, &DeviceRun::reads},
                                         {"prefetch", 6, &DeviceRun::prefetch},
                                         {"view", 5, &DeviceRun::keep_view},
                                         {"check_view", 6, &DeviceRun::check_view},
                                         {"overlay", 8, &DeviceRun::overlay},
                                         {"overlay_apply", 10, &DeviceRun::overlay_apply},
                                         {"overlay_reads", 6, &DeviceRun::overlay_reads},
                                         {"overlay_commit", 4, &DeviceRun::overlay_commit},
                                         {"flush", 4, &DeviceRun::flush},
                                         {"snapshot", 2, &DeviceRun::snapshot},
                                         {"verify", 2, &DeviceRun::verify},
                                         {"scrub", 4, &DeviceRun::scrub},
                                         {"go_back", 3, &DeviceRun::go_back},
                                         {"reopen", 3, &DeviceRun::reopen}};
    const Operation& chosen = weighted(random_, kAll);
    history_.add(chosen.name, model_.version());
    SCOPED_TRACE(chosen.name);
    doing_ = chosen.name;
    (this->*chosen.act)();
  }

  /// Right only if a read failed: as what it is, or as the failure of the store that came of it.
  void troubled(const Error& error) {
    const bool failed = error.code == ErrorCode::store_failed;
    ASSERT_TRUE(failed || error.code == ErrorCode::io) << error.to_string();
    ASSERT_GT(device_.failed(), failed_before_) << "no read failed: " << error.to_string();
    failed_ |= failed;
    ++done_counts()[std::string(failed ? "store failed, seen by " : "a failed read, seen by ") +
                    doing_];
    count_fault("C11", failed ? Came::failed : Came::refused);
  }
  template <class T>
  bool done(const Result<T>& result) {
    if (!result) troubled(result.error());
    return result.has_value();
  }

  void check_roots() {
    ASSERT_EQ(store_->version(), model_.version());
    const auto working = store_->working_roots();
    if (!done(working)) return;
    ASSERT_TRUE(same_roots(*working, model_.working().roots()));
    ASSERT_TRUE(same_roots(store_->committed_roots(), model_.committed().roots()));
  }

  /// Keys, some of them twice, and what the state has for them.
  template <class From>
  void many_reads(const From& from, const State& state) {
    std::vector<Bytes> keys(1 + below(random_, 60));
    for (Bytes& key : keys) key = random_key(random_, kPools);
    std::vector<ByteView> views(keys.begin(), keys.end());
    views.emplace_back(keys.front());
    const auto found = from.get_many(views);
    if (!done(found)) return;
    for (std::size_t i = 0; i < views.size(); ++i) {
      ASSERT_EQ((*found)[i], state.get(views[i])) << to_hex(views[i]);
    }
    const auto one = from.get(views[0]);
    if (!done(one)) return;
    ASSERT_EQ(*one, state.get(views[0])) << to_hex(views[0]);
  }

  /// An iterator that cannot go on must not look like one that is at its end.
  template <class From>
  void walk(const From& from, const State& state) {
    const Database database = kDataDatabases[below(random_, kDataDatabases.size())];
    const Rows& wanted = state.rows[database];
    auto rows = from.iterate(database);
    if (!done(rows)) return;
    const bool back = one_in(random_, 2);
    std::vector<std::pair<Bytes, Bytes>> expected(wanted.begin(), wanted.end());
    if (back) std::ranges::reverse(expected);
    if (back) {
      rows->seek_to_last();
    } else {
      rows->seek_to_first();
    }
    std::size_t seen = 0;
    for (; rows->valid(); ++seen) {
      ASSERT_LT(seen, expected.size());
      ASSERT_EQ(to_bytes(rows->key()), expected[seen].first);
      ASSERT_EQ(to_bytes(rows->value()), expected[seen].second);
      if (back) {
        rows->previous();
      } else {
        rows->next();
      }
    }
    if (done(rows->status())) {
      ASSERT_EQ(seen, expected.size());
    }
  }

  void apply() {
    const Changes changes = random_changes(random_, kPools, one_in(random_, 5) ? 150 : 15);
    if (done(store_->apply(changes))) {
      ASSERT_TRUE(model_.apply(changes));
    }
  }

  void commit() {
    Model next = model_;
    next.commit();
    committed({next.committed()}, store_->commit(next.version()), {});
  }

  /// `states`: those of the blocks that the call commits, oldest first.
  void committed(const std::vector<State>& states, const Result<Roots>& roots,
                 const std::optional<std::size_t>& overlay) {
    if (done(roots)) {
      ASSERT_TRUE(same_roots(*roots, states.back().roots()));
      for (const State& state : states) reached(state);
      if (!overlay) overlays_.clear();
      return;
    }
    // Nothing, or some of them, may be in the log.
    failed_ = true;
    possible_ = states;
  }
  void reached(const State& state) {
    model_.go_back(state);
    states_.push_back(state);
    if (states_.size() > kMostStates) states_.pop_front();
  }

  void reads() {
    many_reads(*store_, model_.working());
    if (good()) walk(*store_, model_.working());
  }

  void prefetch() {
    std::vector<Bytes> keys(below(random_, 100));
    for (Bytes& key : keys) key = random_key(random_, kPools);
    const std::vector<ByteView> asked(keys.begin(), keys.end());
    // What cannot be read is left to whoever needs it.
    const Status asked_for = overlays_.empty() || one_in(random_, 2)
                                 ? store_->prefetch(asked)
                                 : overlays_.back().overlay.prefetch(asked);
    if (done(asked_for)) return;
    ASSERT_TRUE(failed_) << "a failed read, before it was needed";
  }

  void keep_view() {
    if (views_.size() >= 4) return;
    auto view = store_->view();
    if (done(view)) views_.emplace_back(std::move(*view), model_.committed());
  }
  void check_view() {
    if (views_.empty()) return;
    const std::size_t which = below(random_, views_.size());
    const auto& [view, state] = views_[which];
    many_reads(view, state);
    if (good()) walk(view, state);
    if (one_in(random_, 2)) views_.erase(views_.begin() + static_cast<std::ptrdiff_t>(which));
  }

  /// Each stands on the one before it, the first on the committed block.
  void overlay() {
    if (store_->has_pending() || overlays_.size() >= kDeepest) {
      overlays_.clear();
      return;
    }
    auto made = overlays_.empty() ? store_->overlay() : overlays_.back().overlay.child();
    if (!done(made)) {
      overlays_.clear();  // the parent may be sealed
      return;
    }
    Model model = overlays_.empty() ? model_ : overlays_.back().model;
    if (!overlays_.empty()) model.commit();
    overlays_.push_back({std::move(*made), std::move(model)});
  }
  void overlay_apply() {
    if (overlays_.empty()) return overlay();
    auto& [overlay, model] = overlays_.back();
    const Changes changes = random_changes(random_, kPools, 25);
    if (done(overlay.apply(changes))) {
      ASSERT_TRUE(model.apply(changes));
    }
    const auto roots = overlay.working_roots();
    if (!done(roots)) return;
    ASSERT_TRUE(same_roots(*roots, model.working().roots()));
  }
  void overlay_reads() {
    if (overlays_.empty()) return overlay();
    const Pair& pair = overlays_[below(random_, overlays_.size())];
    many_reads(pair.overlay, pair.model.working());
    if (good()) walk(pair.overlay, pair.model.working());
  }
  void overlay_commit() {
    if (overlays_.empty() || store_->has_pending()) return;
    const std::size_t which = below(random_, overlays_.size());
    std::vector<State> states;
    for (std::size_t i = 0; i <= which; ++i) {
      Model next = overlays_[i].model;
      next.commit();
      states.push_back(next.committed());
    }
    committed(states, store_->commit(overlays_[which].overlay), which);
    overlays_.clear();
  }

  void flush() { failed_ |= !done(store_->flush()); }
  void snapshot() { done(store_->snapshot()); }

  /// A database that cannot be read has no verdict; none may differ.
  void verdict(const DatabaseVerdict& one) {
    if (one.error) return troubled(*one.error);
    ASSERT_TRUE(one.good()) << to_string(one.database) << " is taken for another one";
  }
  void verify() {
    const auto report = store_->verify();
    if (!done(report)) return;
    ASSERT_TRUE(report->sum_good);
    for (const DatabaseVerdict& one : report->databases) verdict(one);
  }
  void scrub() {
    if (options_.scrub.mode == Scrub::off) return;
    const auto status = store_->scrub(1 + below(random_, 200));
    if (!done(status)) return;
    for (; findings_ < status->findings.size(); ++findings_) {
      verdict(status->findings[findings_].verdict);
    }
  }

  /// By undo where the blocks are in memory, otherwise by a new generation.
  void go_back() {
    const State target =
        states_[states_.size() - 1 - below(random_, std::min<std::size_t>(states_.size(), 8))];
    overlays_.clear();
    const Status went = store_->rollback(target.version);
    if (!went && went.error().code == ErrorCode::version_mismatch) return;  // nothing leads there
    if (done(went)) {
      back_to(target);
      return;
    }
    failed_ = true;
    possible_ = {target};
  }
  void back_to(const State& state) {
    model_.go_back(state);
    std::erase_if(states_, [&](const State& one) { return one.version >= state.version; });
    states_.push_back(state);
  }

  void reopen() {
    recover();
    if (good()) ++done_counts()["reopened"];
  }

  /// Closes and opens, at first with reads that fail if they do so now.
  void recover() {
    const std::uint64_t before = failed_before_;
    overlays_.clear();
    done(store_->close());
    for (const auto& [view, state] : views_) {
      if (good()) many_reads(view, state);
    }
    views_.clear();
    if (good()) open();
    failed_ = false;
    if (!good()) return;
    for (const State& state : possible_) {
      if (store_->version() == state.version) back_to(state);
    }
    possible_.clear();
    model_.discard();
    device_.mend();
    ASSERT_TRUE(store_is(*store_, model_.committed()));
    if (device_.failed() != before) count_fault("C11", Came::recovered);
  }

  void open() {
    const auto opened = [&]() -> Result<CommitStore> {
      store_.reset();
      return store::open_commit_store({&fs::posix(), device_.env()}, directory_.path("store"),
                                      options_);
    };
    failed_before_ = device_.failed();
    if (one_in(random_, 3))
      device_.fail_at(1 + static_cast<std::int64_t>(below(random_, 40)), false);
    auto store = opened();
    if (!store) {
      const ErrorCode code = store.error().code;
      ASSERT_TRUE(code == ErrorCode::io || code == ErrorCode::corruption)
          << store.error().to_string();
      ASSERT_GT(device_.failed(), failed_before_) << store.error().to_string();
      ++done_counts()["refused to open"];
      count_fault("C11", Came::refused);
      device_.mend();
      store = opened();
    }
    ASSERT_OK(store);
    store_.emplace(std::move(*store));
    if (store_->open_report().rebuilt_working_copy) ++done_counts()["rebuilt by an open"];
    findings_ = 0;
  }

  static constexpr Pools kPools{.addresses = 25, .slots = 40, .legacy_keys = 40};
  struct Pair {
    Overlay overlay;
    Model model;
  };

  Random random_;
  Options options_;
  Model model_;
  TempDir directory_;
  Device device_;
  std::optional<CommitStore> store_;
  std::vector<std::pair<ReadView, State>> views_;
  std::vector<Pair> overlays_;
  std::deque<State> states_;         ///< of the last blocks, the committed one last
  std::vector<State> possible_;      ///< where a call that failed may have led
  bool failed_ = false;              ///< the store has to be reopened
  std::uint64_t failed_before_ = 0;  ///< reads, when the store was opened
  std::size_t findings_ = 0;         ///< of the scrub that were looked at
  std::string doing_;
  LastSteps history_;
};

/// Which call meets a failed read is a matter of timing, so no number of steps meets each of them
/// for certain: the test goes on until it did, and gives up long after that is plausible.
TEST(Device, AReadThatFailsLosesNothing) {
  constexpr std::uint64_t kMoreRuns = 40;
  const std::uint64_t first = environment("FLATKV_SEED", 60'000'000);
  std::uint64_t steps = environment("FLATKV_DEVICE_STEPS", 1'000);
  if (!run_from_seed<DeviceRun>(first, "FLATKV_DEVICE_STEPS", steps, kStepsOfARun)) return;
  if (steps < 1'000) return;
  const auto missing = [] {
    std::string names;
    for (const char* what :
         {"a failed read, seen by apply", "a failed read, seen by reads",
          "a failed read, seen by check_view", "a failed read, seen by overlay_apply",
          "a failed read, seen by overlay_reads", "a failed read, seen by verify", "reopened",
          "refused to open"}) {
      if (done_counts()[what] == 0) names += std::string("\n  ") + what;
    }
    return names;
  };
  for (std::uint64_t more = 0; more < kMoreRuns && !missing().empty(); ++more) {
    const std::uint64_t seed = first + ((steps + kStepsOfARun - 1) / kStepsOfARun);
    if (!run_from_seed<DeviceRun>(seed, "FLATKV_DEVICE_STEPS", kStepsOfARun, kStepsOfARun)) return;
    steps += kStepsOfARun;
  }
  std::cout << steps << " steps from FLATKV_SEED=" << first << "\n";
  for (const auto& [what, count] : done_counts()) {
    std::cout << "  " << what << ": " << count << "\n";
  }
  EXPECT_EQ(missing(), "");
}

}  // namespace
}  // namespace flatkv::test

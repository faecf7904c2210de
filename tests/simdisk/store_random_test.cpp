// SPDX-License-Identifier: Apache-2.0
// Random operations on a store on the simulated disk, crashes and failures among them, compared
// with the oracle.
//
//   FLATKV_SIMDISK_STEPS=n   steps (1000), FLATKV_SEED=n the seed of the first run of 100
#include <gtest/gtest.h>

#include <cerrno>
#include <iostream>

#include "simdisk/life.hpp"
#include "support/files.hpp"
#include "support/random_blocks.hpp"
#include "support/random_runs.hpp"

namespace flatkv::simdisk {
namespace {

using test::any_of;
using test::below;
using test::done_counts;
using test::one_in;
using test::Random;

constexpr std::uint64_t kStepsOfARun = 100;

Options random_options(Random& random) {
  Options options = sim_options(
      any_of(random, {Durability::sync, Durability::sync, Durability::process, Durability::group}));
  options.group_blocks = any_of(random, {1U, 4U});
  options.flush.write_buffer_bytes = any_of<std::uint64_t>(random, {4 << 10, 1 << 20});
  options.segment_bytes = any_of<std::uint64_t>(random, {1 << 10, 16 << 10, 1 << 20});
  options.flush.max_lag_blocks = any_of<std::uint64_t>(random, {2, 10'000});
  options.snapshot.interval = any_of<std::uint64_t>(random, {0, 0, 5});
  options.snapshot.keep = any_of(random, {0U, 1U, 2U});
  options.cache.row_cache_bytes = any_of<std::uint64_t>(random, {0, 64 << 10});
  return options;
}

/// One disk and the lives of the store on it.
class RandomRun {
 public:
  explicit RandomRun(std::uint64_t seed)
      : random_(seed), oracle_(seed % 8), options_(random_options(random_)) {
    start({});
  }

  void go(std::uint64_t steps) {
    for (std::uint64_t i = 0; i < steps && good(); ++i) step();
    if (good()) {
      disk_.crash_at(0, CrashMode::process);  // one of the last step that nothing has reached yet
      look_after();
    }
    if (good()) {
      life_->expect_right();
      life_->close();
      const auto allowed = life_->progress().allowed(false);
      EXPECT_TRUE(recovers(disk_, oracle_, options_, allowed, nullptr, true));
    }
    if (good()) return;
    history_.tell();
  }

 private:
  static bool good() { return !::testing::Test::HasFailure(); }

  void step() {
    struct Step {
      const char* name;
      std::uint64_t weight;
      void (RandomRun::*act)();
    };
    static constexpr Step kAll[] = {
        {"commits", 30, &RandomRun::commits},    {"flush", 6, &RandomRun::flush},
        {"snapshot", 5, &RandomRun::snapshot},   {"rollback", 4, &RandomRun::rollback},
        {"reopen", 4, &RandomRun::reopen},       {"check", 4, &RandomRun::check},
        {"crash", 5, &RandomRun::crash},         {"crash-soon", 9, &RandomRun::crash_soon},
        {"fail-soon", 5, &RandomRun::fail_soon}, {"full", 2, &RandomRun::full}};
    const Step& chosen = test::weighted(random_, kAll);
    history_.add(chosen.name, life_->progress().acked.version);
    SCOPED_TRACE(chosen.name);
    (this->*chosen.act)();
    look_after();
  }

  /// Handles what the last step led to: a crash or a failed store.
  void look_after() {
    life_->settle();
    expect_no_failure_without_a_fault();
    if (disk_.crashes() != crashes_) {
      ++done_counts()[disk_.last_crash().mode == CrashMode::process ? "process ended"
                                                                    : "power lost"];
      start_again();
    } else if (!life_->running()) {
      ++done_counts()["store failed"];
      life_->close();
      disk_.crash(any_mode(), random_());
      start_again();
    }
  }

  /// What fails in a life in which nothing was made to fail, fails for no reason: opening it again
  /// would only hide that.
  void expect_no_failure_without_a_fault() {
    if (disk_.crashes() != crashes_ || disk_.injected() != injected_ || was_full_) return;
    EXPECT_TRUE(life_->running());
    const auto& failure = life_->failure();
    // A rollback to what was pruned is refused.
    EXPECT_TRUE(!failure || failure->code == ErrorCode::version_mismatch) << failure->to_string();
  }

  /// After a crash, or in the next process: the store must be at one of the allowed places.
  void start_again() {
    const bool power_lost = disk_.last_crash().mode != CrashMode::process;
    Progress before = life_->progress();
    life_->close();
    disk_.clear_faults();
    disk_.crash_at(0, CrashMode::process);
    disk_.set_capacity(~std::uint64_t{0});
    start(before.allowed(power_lost));
  }

  void start(const std::vector<Place>& allowed) {
    crashes_ = disk_.crashes();
    injected_ = disk_.injected();
    was_full_ = false;
    life_.emplace(disk_, oracle_, options_);
    if (!allowed.empty()) life_->resume(allowed);
    life_->open();
    ASSERT_TRUE(life_->running()) << life_->failure()->to_string();
    life_->expect_right();
  }

  CrashMode any_mode() {
    return any_of(random_, {CrashMode::process, CrashMode::keep_all, CrashMode::drop_unsynced,
                            CrashMode::random, CrashMode::lose_one, CrashMode::keep_one});
  }

  void commits() { life_->commits(1 + static_cast<int>(below(random_, 4))); }
  void flush() { life_->flush(); }
  void snapshot() { life_->snapshot(); }
  void check() { life_->expect_right(); }

  void rollback() {
    const std::int64_t at = life_->progress().acked.version;
    const auto back = static_cast<std::int64_t>(below(random_, 5));
    if (at > back && back > 0 && life_->rollback(at - back)) ++done_counts()["rollback"];
  }

  void reopen() {
    life_->close();
    life_->open();
    ++done_counts()["reopen"];
  }

  void crash() { disk_.crash(any_mode(), random_()); }

  /// Crashes while an operation is under way.
  void crash_soon() {
    disk_.crash_at(1 + below(random_, one_in(random_, 2) ? 10 : 80), any_mode(), random_());
    busy();
  }

  void fail_soon() {
    Fault fault;
    fault.error = any_of(random_, {EIO, ENOSPC});
    fault.nth = static_cast<unsigned>(1 + below(random_, 60));
    fault.times = any_of(random_, {1U, 0U});
    fault.partial = one_in(random_, 2);
    disk_.inject(fault);
    busy();
    disk_.clear_faults();
  }

  void full() {
    was_full_ = true;
    disk_.set_capacity(disk_.used() + below(random_, 20'000));
    busy();
    disk_.set_capacity(~std::uint64_t{0});
  }

  void busy() {
    commits();
    switch (below(random_, 4)) {
      case 0:
        snapshot();
        break;
      case 1:
        rollback();
        break;
      case 2:
        life_->close();
        life_->open();
        break;
      default:
        flush();
    }
  }

  Random random_;
  Oracle oracle_;
  Options options_;
  SimDisk disk_;
  std::uint64_t crashes_ = 0;   ///< of the disk when this life began
  std::uint64_t injected_ = 0;  ///< faults likewise
  bool was_full_ = false;       ///< the disk, in this life
  std::optional<Life> life_;
  test::LastSteps history_;
};

TEST(StoreRandom, OperationsCrashesAndFailuresAgreeWithTheOracle) {
  const std::uint64_t first = test::environment("FLATKV_SEED", 9'000);
  const std::uint64_t steps = test::environment("FLATKV_SIMDISK_STEPS", 1'000);
  if (!test::run_from_seed<RandomRun>(first, "FLATKV_SIMDISK_STEPS", steps, kStepsOfARun)) return;
  std::cout << steps << " steps from FLATKV_SEED=" << first << "\n";
  for (const auto& [what, count] : done_counts()) {
    std::cout << "  " << what << ": " << count << "\n";
  }
  if (steps < 1'000) return;
  for (const char* what : {"process ended", "power lost", "store failed", "rollback", "reopen"}) {
    EXPECT_GT(done_counts()[what], 3) << what;
  }
}

}  // namespace
}  // namespace flatkv::simdisk

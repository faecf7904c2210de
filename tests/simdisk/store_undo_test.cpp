// SPDX-License-Identifier: Apache-2.0
// Undoing recent blocks, interrupted or failing at any step (rows F1 to F3 of docs/recovery.md).
#include <gtest/gtest.h>

#include <set>

#include "simdisk/rows_fixture.hpp"

namespace flatkv::simdisk {
namespace {

using test::count_fault;

constexpr CrashMode kModes[] = {CrashMode::process, CrashMode::keep_all, CrashMode::drop_unsynced,
                                CrashMode::random,  CrashMode::lose_one, CrashMode::keep_one};

class StoreUndo : public StoreRows {
 protected:
  StoreUndo() { options_.rollback_depth = 32; }

  static void before(Life& life) {
    life.open();
    life.commits(3);
    life.snapshot();
    life.commits(7);
  }
};

TEST_F(StoreUndo, CrashAtEveryStep_F1) {
  for (const std::int64_t back_to : {5, 9, 3}) {
    SimDisk disk;
    Life life(disk, oracle_, options_);
    before(life);
    const Place tip = life.progress().acked;
    const Place target = tip.back_to(back_to);
    const std::vector<Moment> moments =
        moments_of(disk, [&] { ASSERT_TRUE(life.rollback(target.version)); });
    ASSERT_GE(moments.size(), 7U);
    std::set<std::int64_t> found;
    for (const Moment& moment : moments) {
      for (const CrashMode mode : kModes) {
        SCOPED_TRACE(moment.name() + ", mode " + std::to_string(static_cast<int>(mode)));
        const auto after = crashed(*moment.disk, mode, ++seed_);
        Ending ending;
        ASSERT_TRUE(recovers(*after, oracle_, options_, {tip, target}, &ending));
        found.insert(ending.place.version);
        count_fault("F1", ending.came);
      }
    }
    EXPECT_EQ(found, (std::set<std::int64_t>{tip.version, target.version}));
    crash_here(disk, life, "F1");
    life.commits(1);
    crash_here(disk, life, "F1");
    life.commits(4);
    life.flush();
    crash_here(disk, life, "F1");
    life.expect_right();
  }
}

TEST_F(StoreUndo, AnErrorAtEveryStep_F2) {
  for (unsigned nth = 1;; ++nth) {
    SimDisk disk;
    Life life(disk, oracle_, options_);
    before(life);
    const Place target = life.progress().acked.back_to(5);
    Fault fault;
    fault.nth = nth;
    disk.inject(fault);
    const std::uint64_t injected = disk.injected();
    const bool undone = life.rollback(target.version);
    const bool met = disk.injected() != injected;
    disk.clear_faults();
    if (life.running()) life.commits(2);
    const auto allowed = life.progress().allowed(true);
    life.close();
    Ending ending;
    ASSERT_TRUE(recovers(disk, oracle_, options_, allowed, &ending)) << nth;
    if (!met) {
      EXPECT_TRUE(undone);
      EXPECT_GT(nth, 6U);
      break;
    }
    count_fault("F2", life.has_failed() ? test::Came::failed : ending.came);
  }
}

TEST_F(StoreUndo, CrashAtEveryStepOfTheOpeningThatFinishesIt_F3) {
  Life life(disk_, oracle_, options_);
  before(life);
  const Place tip = life.progress().acked;
  const Place target = tip.back_to(5);
  const std::vector<Moment> moments =
      moments_of(disk_, [&] { ASSERT_TRUE(life.rollback(target.version)); });
  unsigned marked = 0;
  for (const Moment& moment : moments) {
    if (!moment.disk->tree(std::string(kStore) + "/gen-00000001/changelog/UNDO").empty() &&
        marked++ % 3 == 0) {
      // The name of the very first of these may not be on disk yet.
      crash_the_open(*crashed(*moment.disk, CrashMode::process), {target, tip}, "F3", 20);
    }
  }
  EXPECT_GT(marked, 0U);
}

}  // namespace
}  // namespace flatkv::simdisk

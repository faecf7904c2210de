// SPDX-License-Identifier: Apache-2.0
// What an earlier process made and did not sync before it died, and the next one finds: nothing
// that is reported as done, and nothing that takes the place of what is removed, is lost with it
// when the power goes then.
#include <gtest/gtest.h>

#include <set>

#include "layout/snapshots.hpp"
#include "recovery/rollback.hpp"
#include "repair/repair.hpp"
#include "simdisk/rows_fixture.hpp"

namespace flatkv::simdisk {
namespace {

using test::count_fault;

class StoreFound : public StoreRows {
 protected:
  /// At 9, with a snapshot at 3 and the rest in the log alone.
  void before(Life& life) {
    life.open();
    life.commits(3);
    life.snapshot();
    life.commits(6);
    target_ = life.progress().acked.back_to(5);
  }

  static Status roll_back(SimDisk& disk, std::int64_t version) {
    return recovery::rollback_store(environment_of(disk), kStore, version, {});
  }

  /// Every step that makes names durable, and some others.
  static bool takes(const Moment& moment) {
    return all_cases() || moment.n % 32 == 0 ||
           (moment.operation == Operation::sync_directory &&
            (moment.path == kStore || path_class(moment.path) == "log" ||
             moment.path.ends_with("/changelog")));
  }

  /// A rollback that died at any step is begun again. Once that has succeeded, no power cut takes
  /// it back.
  void roll_back_again(std::size_t fewest) {
    const std::vector<Moment> moments =
        moments_of(disk_, [&] { ASSERT_OK(roll_back(disk_, target_.version)); });
    ASSERT_GT(moments.size(), fewest);
    for (const Moment& moment : moments) {
      if (!takes(moment)) continue;
      SCOPED_TRACE(moment.name());
      const auto after = crashed(*moment.disk, CrashMode::process);
      ASSERT_OK(roll_back(*after, target_.version));
      after->crash(CrashMode::drop_unsynced);
      ASSERT_TRUE(recovers(*after, oracle_, options_, {target_}));
      count_fault("B1", test::Came::recovered);
    }
  }

  Place target_;
};

TEST_F(StoreFound, ARollbackThatIsBegunAgainOutlastsAPowerCut_B1) {
  Life life(disk_, oracle_, options_);
  before(life);
  life.close();
  roll_back_again(300);
}

TEST_F(StoreFound, AnUndoThatIsBegunAgainOutlastsAPowerCut_B1) {
  Life life(disk_, oracle_, options_);
  before(life);
  disk_.crash(CrashMode::process);
  life.close();
  roll_back_again(100);
}

// The same where the last step of the rollback failed, which is an error.
TEST_F(StoreFound, ARollbackThatIsBegunAgainAfterAnError_B1) {
  Life life(disk_, oracle_, options_);
  before(life);
  life.close();
  disk_.watch([&](Operation operation, const std::string& path) {
    if (operation == Operation::rename && path_class(path) == "CURRENT") {
      disk_.inject({.operation = Operation::sync_directory, .suffix = kStore});
    }
  });
  ASSERT_TRUE(test::fails(roll_back(disk_, target_.version), ErrorCode::io));
  disk_.watch({});
  ASSERT_OK(roll_back(disk_, target_.version));
  disk_.crash(CrashMode::drop_unsynced);
  ASSERT_TRUE(recovers(disk_, oracle_, options_, {target_}));
  count_fault("B1", test::Came::recovered);
}

// A repair that died after its swap, and the next one, which finds nothing to do.
TEST_F(StoreFound, ARepairThatIsBegunAgainOutlastsAPowerCut) {
  Life life(disk_, oracle_, options_);
  before(life);
  const Place tip = life.progress().acked;
  life.close();
  const std::string working = std::string(kStore) + "/gen-00000001/working/";
  ASSERT_TRUE(disk_.overwrite(working + "storage/CURRENT", test::text("gone")));
  const auto repair = [](SimDisk& disk) {
    return repair::repair_store(environment_of(disk), kStore, {Database::storage}, {});
  };
  const std::vector<Moment> moments = moments_of(disk_, [&] { ASSERT_OK(repair(disk_)); });
  ASSERT_GT(moments.size(), 300U);
  unsigned had_nothing_to_do = 0;
  for (const Moment& moment : moments) {
    if (!takes(moment)) continue;
    SCOPED_TRACE(moment.name());
    const auto after = crashed(*moment.disk, CrashMode::process);
    const auto again = repair(*after);
    ASSERT_OK(again);
    had_nothing_to_do += again->front().damage ? 0U : 1U;
    after->crash(CrashMode::drop_unsynced);
    Ending ending;
    ASSERT_TRUE(recovers(*after, oracle_, options_, {tip}, &ending));
    ASSERT_EQ(ending.came, test::Came::recovered) << "the damaged copy came back";
  }
  EXPECT_GT(had_nothing_to_do, 1U);
}

// A rollback that died after its swap left two generations; the open that goes on cannot remove the
// old one, which it only reports.
TEST_F(StoreFound, AnOpenWhoseCleanupFailsOutlastsAPowerCut_S11) {
  Life life(disk_, oracle_, options_);
  before(life);
  const Place tip = life.progress().acked;
  life.close();
  const std::vector<Moment> moments =
      moments_of(disk_, [&] { ASSERT_OK(roll_back(disk_, target_.version)); });
  std::set<std::int64_t> found;
  unsigned failed = 0;
  for (const Moment& moment : moments) {
    if (moment.operation != Operation::sync_directory || moment.path != kStore) continue;
    SCOPED_TRACE(moment.name());
    const auto after = crashed(*moment.disk, CrashMode::process);
    after->inject({.operation = Operation::rename, .suffix = "-rebuild-tmp", .times = 0});
    Ending ending;
    ASSERT_TRUE(outlasts_power_cut(*after, oracle_, options_, {tip, target_}, &ending));
    failed += after->injected() != 0 ? 1U : 0U;
    found.insert(ending.place.version - 1);
    count_fault("S11", ending.came);
  }
  EXPECT_EQ(found, (std::set<std::int64_t>{tip.version, target_.version}));
  EXPECT_GT(failed, 0U) << "nothing was to be removed";
}

// An old snapshot whose removal died after it lost its name: the next open goes on with it, and a
// power cut meanwhile brings it back whole or not at all.
TEST_F(StoreFound, ASnapshotThatWasBeingRemovedNeverComesBackInPart_S15) {
  Life life(disk_, oracle_, options_);
  before(life);
  life.snapshot();
  life.commits(1);
  const Place tip = life.progress().acked;
  const std::vector<Moment> moments = moments_of(disk_, [&] { life.snapshot(); });
  const std::string generation = std::string(kStore) + "/gen-00000001";
  unsigned begun = 0;
  for (const Moment& moment : moments) {
    if (moment.operation != Operation::sync_directory || moment.path != generation) continue;
    SCOPED_TRACE(moment.name());
    const auto after = crashed(*moment.disk, CrashMode::process);
    const std::vector<Moment> opening = moments_of(*after, [&] {
      ASSERT_OK(store::open_commit_store(environment_of(*after), kStore, options_));
    });
    for (const Moment& step : opening) {
      if (!step.path.contains("-old-tmp")) continue;
      ++begun;
      for (int i = 0; i < 4; ++i) {
        const auto left = crashed(*step.disk, CrashMode::random, ++seed_);
        const auto snapshots = layout::list_snapshots(left->files(), generation, true);
        ASSERT_OK(snapshots);
        for (const auto& one : *snapshots) {
          ASSERT_TRUE(one.manifest) << step.name() << ": " << one.manifest.error().to_string();
        }
      }
    }
  }
  EXPECT_GT(begun, 10U);
  ASSERT_TRUE(recovers(*crashed(disk_, CrashMode::drop_unsynced), oracle_, options_, {tip}));
}

}  // namespace
}  // namespace flatkv::simdisk

// SPDX-License-Identifier: Apache-2.0
// What an earlier process made and did not sync before it died, and the next one finds: nothing
// that is reported as done, and nothing that takes the place of what is removed, is lost with it
// when the power goes then.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace flatkv::simdisk

// SPDX-License-Identifier: Apache-2.0
// Flushes that crash or fail at a chosen step, databases far apart, compactions that fail (rows C8
// to C13 of docs/recovery.md). FLATKV_LOOP=all: the long form.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "layout/snapshots.hpp"
#include "simdisk/rows_fixture.hpp"

namespace flatkv::simdisk {
namespace {

using test::Came;
using test::count_fault;

struct FlushStep {
  Operation operation;
  const char* place;  ///< "%" stands for the database
  const char* suffix;
};
constexpr FlushStep kFlushSteps[] = {
    {Operation::create, "/flush/%-", ".sst"},      {Operation::append, "/flush/%-", ".sst"},
    {Operation::sync, "/flush/%-", ".sst"},        {Operation::link, "/working/%/", ".sst"},
    {Operation::sync_directory, "/working/%", ""}, {Operation::append, "/working/%/MANIFEST-", ""},
    {Operation::sync, "/working/%/MANIFEST-", ""}};

std::string in_database(const char* pattern, const char* database) {
  std::string text = pattern;
  return text.replace(text.find('%'), 1, database);
}

// C8 and C12: the power goes at every operation of a flush of all five.
TEST_F(StoreRows, CrashAtEveryStepOfAFlush) {
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(2);
  life.flush();
  life.commits(3);
  const Place tip = life.progress().acked;
  const std::vector<Moment> moments = moments_of(disk_, [&] { life.flush(); });
  ASSERT_GT(moments.size(), 5 * std::size(kFlushSteps));
  std::set<std::string> databases;
  for (const Moment& moment : moments) {
    SCOPED_TRACE(moment.name());
    for (const CrashMode mode : {CrashMode::process, CrashMode::drop_unsynced, CrashMode::random}) {
      if (!all_cases() && mode != CrashMode::drop_unsynced && moment.n % 3 != 0) continue;
      const auto after = crashed(*moment.disk, mode, ++seed_);
      Ending ending;
      ASSERT_TRUE(recovers(*after, oracle_, options_, {tip}, &ending));
      count_fault(row_of("flush", moment.operation, moment.path, false), ending.came);
    }
    for (const char* name : test::kNames) {
      if (moment.path.contains(name)) databases.insert(name);
    }
  }
  EXPECT_EQ(databases.size(), 5U);
}

// C9: any step of a flush fails, in any database, even after its MANIFEST record was written.
TEST_F(StoreRows, AStepOfAFlushFails) {
  Life base(disk_, oracle_, options_);
  unsigned made = 0;
  for (const char* database : test::kNames) {
    for (const FlushStep& step : kFlushSteps) {
      const int error = ++made % 3 == 0 ? ENOSPC : EIO;
      SCOPED_TRACE(std::string(to_string(step.operation)) + " " +
                   in_database(step.place, database));
      SimDisk disk;
      Life life(disk, oracle_, options_);
      life.open();
      life.commits(2);
      Fault fault;
      fault.operation = step.operation;
      fault.contains = in_database(step.place, database);
      fault.suffix = step.suffix;
      fault.error = error;
      disk.inject(fault);
      life.flush();
      ASSERT_EQ(disk.injected(), 1U) << "a flush has no such step";
      ASSERT_TRUE(life.failure());
      life.expect_failed_and_readable();
      count_fault("C9", Came::failed);
      life.close();
      for (const CrashMode mode : {CrashMode::process, CrashMode::drop_unsynced}) {
        const auto after = crashed(disk, mode);
        Ending ending;
        ASSERT_TRUE(recovers(*after, oracle_, options_, {{"", 2}}, &ending));
        count_fault("C9", ending.came);
      }
    }
  }
}

// S4: the sync after a snapshot's rename fails. The next attempt finds the snapshot there, and must
// not report it as written before its name is durable.
TEST_F(StoreRows, ASnapshotThatWasNotSyncedIsWrittenByTheNextTry) {
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(2);
  const std::string generation = std::string(kStore) + "/gen-00000001";
  Fault fault;
  fault.operation = Operation::sync_directory;
  fault.contains = generation;
  ASSERT_OK(life.store().flush());
  // The syncs before the rename come first, one attempt each.
  for (fault.nth = 1; fault.nth < 40; ++fault.nth) {
    disk_.clear_faults();
    disk_.inject(fault);
    ASSERT_FALSE(life.store().snapshot()) << "it was written before its last sync failed";
    if (layout::find_snapshot(disk_.files(), generation, 2, true)) break;
  }
  ASSERT_LT(fault.nth, 40U);
  disk_.clear_faults();
  ASSERT_OK(life.store().snapshot());
  const auto after = crashed(disk_, CrashMode::drop_unsynced);
  EXPECT_OK(layout::find_snapshot(after->files(), generation, 2, true));
  count_fault("S4", Came::recovered);
}

// C10: a power cut loses the last ingests of any of the databases: uneven by several flushes.
TEST_F(StoreRows, DatabasesFarApart) {
  for (unsigned lost = 1; lost < 32; ++lost) {
    if (!all_cases() && lost % 3 != 1) continue;
    for (const bool pruned : {false, true}) {
      SCOPED_TRACE("databases " + std::to_string(lost) + (pruned ? ", log pruned" : ""));
      Options options = options_;
      options.snapshot.keep = 0;
      SimDisk disk;
      Life life(disk, oracle_, options);
      life.open();
      life.commits(2);
      life.flush();
      for (std::size_t i = 0; i < 5; ++i) {
        if ((lost >> i & 1U) != 0) lie_about(disk, std::string("/working/") + test::kNames[i]);
      }
      life.commits(3);
      life.flush();
      life.commits(3);
      if (pruned) {
        life.snapshot();
      } else {
        life.flush();
      }
      life.commits(2);
      const auto after = crashed(disk, CrashMode::drop_unsynced);
      Ending ending;
      ASSERT_TRUE(recovers(*after, oracle_, options, {{"", 10}}, &ending, true));
      if (pruned && (lost & 15U) != 0) {
        EXPECT_TRUE(ending.report.rebuilt_working_copy);
      }
      count_fault("C10", ending.came);
    }
  }
}

// C10, with the snapshot lost too: no way is left to reach the version, and the error says so.
TEST_F(StoreRows, DatabasesFarApartAndNoSnapshot) {
  options_.snapshot.keep = 0;
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(2);
  life.flush();
  lie_about(disk_, "/working/storage");
  lie_about(disk_, "/storage/");
  life.commits(4);
  life.snapshot();
  life.commits(2);
  lie_about(disk_, "/snapshot-");
  const auto after = crashed(disk_, CrashMode::drop_unsynced);
  static_cast<void>(refused(*after, options_, ErrorCode::log_gap));
  count_fault("C10", Came::refused);
}

// C13: a compaction fails between flushes.
TEST_F(StoreRows, CompactionFails) {
  Life life(disk_, oracle_, options_);
  life.open();
  Fault fault;
  fault.operation = Operation::create;  // ingested tables are linked: only compactions create some
  fault.contains = "/working/storage/";
  fault.suffix = ".sst";
  fault.times = 0;
  disk_.inject(fault);
  for (int i = 0; i < 300 && life.running(); ++i) {
    life.commits(1);
    if (life.running()) static_cast<void>(life.store().flush());
    if (i > 20) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_FALSE(life.running()) << "no compaction ran";
  EXPECT_GT(disk_.injected(), 0U);
  life.expect_failed_and_readable();
  count_fault("C13", Came::failed);
  life.close();
  crash_here(disk_, life, "C13");
}

}  // namespace
}  // namespace flatkv::simdisk

// SPDX-License-Identifier: Apache-2.0
// The log on a disk that tears, fails, lies and fills up (rows C2 to C6 and N1 of
// docs/recovery.md). FLATKV_LOOP=all: the long form.
#include <gtest/gtest.h>

#include "recovery/rollback.hpp"
#include "simdisk/rows_fixture.hpp"

namespace flatkv::simdisk {
namespace {

using test::Came;
using test::count_fault;

// C2: the process ended, or the power went, with any number of bytes of the record on disk.
TEST_F(StoreRows, RecordCutAtEveryByte) {
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(1);
  std::string log;
  std::size_t before = 0;
  disk_.watch([&](Operation operation, const std::string& path) {
    if (operation != Operation::append || path_class(path) != "log") return;
    log = path;
    before = disk_.tree(path).at(path).size();
  });
  life.commits(1);
  disk_.watch({});
  const Place whole = life.progress().acked;
  const auto after = crashed(disk_, CrashMode::process);
  const Bytes content = after->tree(log).at(log);
  const std::size_t record = content.size() - before;
  ASSERT_GT(record, 300U);
  for (std::size_t kept = 0; kept <= record; kept += all_cases() || kept + 9 > record ? 1U : 9U) {
    for (const bool zeros : {false, true}) {  // a size that became durable before its pages
      if (zeros && !all_cases() && kept % 5 != 0) continue;
      SCOPED_TRACE(std::to_string(kept) + " bytes of the record");
      const auto torn = after->clone();
      Bytes cut(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(before + kept));
      if (zeros) cut.resize(content.size());
      ASSERT_TRUE(torn->overwrite(log, cut));
      Ending ending;
      const bool complete = cut == content;
      ASSERT_TRUE(recovers(*torn, oracle_, options_,
                           {{"", complete ? whole.version : whole.version - 1}}, &ending));
      // A rest of zeros is the end and no damage.
      EXPECT_EQ(ending.report.truncated_log.has_value(), !complete && kept > 0);
      count_fault(zeros ? "W4" : "C2", ending.came);
    }
  }
}

// C2 again, with pages and sectors of a record of several pages kept or lost at random.
TEST_F(StoreRows, PagesOfARecordKeptAndLost) {
  options_ = sim_options(Durability::process);
  options_.segment_bytes = 1 << 20;
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(6);  // the fifth has three pages
  const std::vector<Place> allowed = life.progress().allowed(true);
  ASSERT_EQ(allowed.size(), 7U);
  std::set<std::int64_t> found;
  for (int i = 0; i < (all_cases() ? 400 : 40); ++i) {
    const auto after = crashed(disk_, CrashMode::random, ++seed_);
    SCOPED_TRACE("seed " + std::to_string(seed_));
    Ending ending;
    ASSERT_TRUE(recovers(*after, oracle_, options_, allowed, &ending));
    found.insert(ending.place.version);
    count_fault("C2", ending.came);
  }
  EXPECT_GT(found.size(), 2U) << "nothing was ever torn";
}

// C3: an append fails, with none or a part of it written.
TEST_F(StoreRows, AppendFails) {
  for (const int error : {EIO, ENOSPC}) {
    for (const bool partial : {false, true}) {
      SimDisk disk;
      Life life(disk, oracle_, options_);
      life.open();
      life.commits(2);
      Fault fault;
      fault.operation = Operation::append;
      fault.contains = "/changelog/";
      fault.error = error;
      fault.partial = partial;
      disk.inject(fault);
      life.commits(1);
      ASSERT_EQ(disk.injected(), 1U);
      ASSERT_TRUE(life.failure());
      EXPECT_EQ(life.failure()->code, error == ENOSPC ? ErrorCode::no_space : ErrorCode::io);
      life.expect_failed_and_readable();
      count_fault("C3", Came::failed);
      life.close();
      crash_here(disk, life, "C3");
    }
  }
}

// N1: the step that finds the disk full says how much it needs: at reopening the copy of the log.
TEST_F(StoreRows, AFullDiskSaysHowMuchIsNeeded) {
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(4);
  const Place tip = life.progress().acked;
  const auto after = crashed(disk_, CrashMode::process);
  const auto segments = after->tree(std::string(kStore) + "/gen-00000001/changelog/");
  after->set_capacity(after->used() + 1);
  const auto opened = store::open_commit_store(environment_of(*after), kStore, options_);
  ASSERT_TRUE(test::fails(opened, ErrorCode::no_space));
  const std::string needed = std::to_string(segments.rbegin()->second.size());
  EXPECT_NE(opened.error().message.find(needed + " bytes are needed"), std::string::npos)
      << opened.error().to_string();
  count_fault("N1", Came::refused);
  after->set_capacity(1ULL << 40);
  ASSERT_TRUE(recovers(*after, oracle_, options_, {tip}));
}

// N1: so does a flush's table.
TEST_F(StoreRows, AFlushOnAFullDiskSaysHowMuchIsNeeded) {
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(4);
  Fault fault;
  fault.operation = Operation::append;
  fault.contains = "/flush/";
  fault.error = ENOSPC;
  disk_.inject(fault);
  life.flush();
  ASSERT_TRUE(life.failure());
  EXPECT_EQ(life.failure()->code, ErrorCode::no_space);
  EXPECT_NE(life.failure()->message.find(" bytes are needed"), std::string::npos)
      << life.failure()->to_string();
  life.expect_failed_and_readable();
  count_fault("N1", Came::failed);
}

// C4 and C5: the sync fails and is not retried; the process restarts without a reboot. The record
// that it still sees must be made durable before it counts.
TEST_F(StoreRows, SyncOfTheLogFails) {
  options_.segment_bytes = 1 << 20;  // one segment: a new one would sync, too
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(3);
  Fault fault;
  fault.operation = Operation::sync;
  fault.contains = "/changelog/";
  disk_.inject(fault);
  const std::uint64_t syncs = disk_.count(Operation::sync);
  life.commits(1);
  EXPECT_EQ(disk_.count(Operation::sync), syncs + 1) << "a failed sync was tried again";
  life.expect_failed_and_readable();
  count_fault("C4", Came::failed);
  life.close();
  EXPECT_EQ(disk_.count(Operation::sync), syncs + 1) << "a failed sync was tried again";
  crash_here(disk_, life, "C4");

  const auto restarted = crashed(disk_, CrashMode::process);
  auto opened = store::open_commit_store(environment_of(*restarted), kStore, options_);
  ASSERT_OK(opened);
  const Place found{"", opened->version()};
  EXPECT_EQ(found.version, 4) << "the record was still seen";
  restarted->crash(CrashMode::drop_unsynced);
  Ending ending;
  ASSERT_TRUE(recovers(*restarted, oracle_, options_, {found}, &ending));
  count_fault("C5", ending.came);
}

// C6: the disk lies about the log and loses power. All databases are level and right: they are
// kept.
TEST_F(StoreRows, LyingDiskLosesTheLogAlone) {
  options_.segment_bytes = 1 << 20;
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(2);
  life.flush();
  lie_about(disk_, "/changelog/");
  life.commits(2);
  life.flush();
  life.commits(1);
  const auto after = crashed(disk_, CrashMode::drop_unsynced);
  crash_the_open(*after, {{"", 4}}, "C6", 30);
  Ending ending;
  ASSERT_TRUE(recovers(*after, oracle_, options_, {{"", 4}}, &ending, true));
  EXPECT_TRUE(ending.report.lost_log_tail);
  count_fault("C6", Came::rebuilt);
}

// C6 with uneven databases: refused, naming all; the way out in the message works.
TEST_F(StoreRows, LyingDiskLosesLogAndADatabase) {
  options_.segment_bytes = 1 << 20;
  for (const char* behind : {"account", "code", "storage", "legacy"}) {
    SCOPED_TRACE(behind);
    SimDisk disk;
    Life life(disk, oracle_, options_);
    life.open();
    life.commits(2);
    life.flush();
    lie_about(disk, "/changelog/");
    lie_about(disk, std::string("/working/") + behind);
    life.commits(2);
    life.flush();
    const auto after = crashed(disk, CrashMode::drop_unsynced);
    const std::string message = refused(*after, options_, ErrorCode::log_behind);
    EXPECT_TRUE(message.contains("the changelog reaches version 2")) << message;
    EXPECT_TRUE(message.contains("version 4 is known to be durable")) << message;
    EXPECT_TRUE(message.contains(std::string(behind) + " is at 2")) << message;
    EXPECT_TRUE(message.contains("rollback STORE 2")) << message;
    count_fault("C6", Came::refused);
    ASSERT_OK(recovery::rollback_store(environment_of(*after), kStore, 2, {}));
    ASSERT_TRUE(recovers(*after, oracle_, options_, {{"", 2}}));
    count_fault("C6", Came::recovered);
  }
}

// A disk that lies about everything may lose everything, but the store never shows a false state.
TEST_F(StoreRows, LyingDiskNeverGivesAWrongState) {
  unsigned opened_at_all = 0;
  for (int round = 0; round < (all_cases() ? 400 : 40); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    SimDisk disk;
    Life life(disk, oracle_, options_);
    life.open();
    life.commits(2);
    if (round % 2 == 0) life.snapshot();
    disk.lie_about_syncs(round % 3 != 0);
    life.commits(2);
    life.flush();
    life.commits(2);
    if (round % 4 == 0) life.snapshot();
    disk.crash(round % 5 == 0 ? CrashMode::drop_unsynced : CrashMode::random, ++seed_);
    Options options = options_;
    options.create_if_missing = round % 2 == 0;
    const auto before = picture(disk);
    auto opened = store::open_commit_store(environment_of(disk), kStore, options);
    if (opened) {
      ++opened_at_all;
      ASSERT_GE(opened->version(), 2) << "what was durable before the disk lied is lost";
      ASSERT_TRUE(test::store_is(*opened, oracle_.at({"", opened->version()})));
      count_fault("C6", Came::recovered);
      continue;
    }
    const ErrorCode code = opened.error().code;
    EXPECT_TRUE(code == ErrorCode::corruption || code == ErrorCode::log_behind ||
                code == ErrorCode::log_gap)
        << opened.error().to_string();
    EXPECT_TRUE(picture(disk) == before) << opened.error().to_string();
    count_fault("C6", Came::refused);
  }
  EXPECT_GT(opened_at_all, 0U);
}

// N1: the disk is full at any fill level; then there is space again.
TEST_F(StoreRows, FullAtEveryLevel) {
  const auto script = [](Life& life) {
    life.open();
    life.commits(3);
    life.flush();
    life.commits(2);
    life.snapshot();
    life.commits(3);
    life.flush();
    life.close();
  };
  {
    Life life(disk_, oracle_, options_);
    script(life);
    ASSERT_FALSE(life.failure());
  }
  const std::uint64_t enough = disk_.used();
  const std::uint64_t step = enough / (all_cases() ? 500 : 40) + 1;
  unsigned ran_full = 0;
  for (std::uint64_t capacity = 0; capacity < enough + enough / 4; capacity += step) {
    SCOPED_TRACE("capacity " + std::to_string(capacity));
    SimDisk disk;
    disk.set_capacity(capacity);
    Life life(disk, oracle_, options_);
    script(life);
    if (life.failure()) {
      ++ran_full;
      EXPECT_EQ(life.failure()->code, ErrorCode::no_space) << life.failure()->to_string();
    }
    disk.set_capacity(~std::uint64_t{0});
    for (const CrashMode mode : {CrashMode::process, CrashMode::drop_unsynced}) {
      const auto after = crashed(disk, mode);
      Ending ending;
      ASSERT_TRUE(recovers(*after, oracle_, options_,
                           life.progress().allowed(mode != CrashMode::process), &ending));
      count_fault("N1", ending.came);
    }
  }
  EXPECT_GT(ran_full, 20U);
}

}  // namespace
}  // namespace flatkv::simdisk

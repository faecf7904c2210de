// SPDX-License-Identifier: Apache-2.0
// Next generations interrupted at any step: rebuilt working copies, rollbacks, imports (rows S11,
// S12, W12, B1 and I1 of docs/recovery.md). FLATKV_LOOP=all: the long form.
#include <gtest/gtest.h>

#include <algorithm>

#include "recovery/rollback.hpp"
#include "simdisk/rows_fixture.hpp"
#include "transfer/row_import.hpp"

namespace flatkv::simdisk {
namespace {

using test::Came;
using test::count_fault;

// S11, S12, W12: openings that build a next generation may be interrupted anywhere.
TEST_F(StoreRows, CrashWhileTheWorkingCopyIsRebuilt) {
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(3);
  life.snapshot();
  life.commits(3);
  life.flush();
  life.commits(1);
  const Place tip = life.progress().acked;
  const auto after = crashed(disk_, CrashMode::drop_unsynced);
  const std::string working = std::string(kStore) + "/gen-00000001/working/";
  const auto no_storage = after->clone();
  ASSERT_TRUE(no_storage->overwrite(working + "storage/CURRENT", test::text("gone")));
  crash_the_open(*no_storage, {tip}, "S11", 50);
  const auto no_metadata = after->clone();
  ASSERT_TRUE(no_metadata->overwrite(working + "metadata/CURRENT", test::text("gone")));
  crash_the_open(*no_metadata, {tip}, "S11", 50);
  const auto no_current = after->clone();
  ASSERT_TRUE(no_current->overwrite(std::string(kStore) + "/CURRENT", test::text("gen-0")));
  crash_the_open(*no_current, {tip}, "S12", 20);
  crash_the_open(*after, {tip}, "W12", 20);
}

// S11: a process that dies while it creates a store leaves names that nobody synced. The open that
// goes on from there makes them durable before a block is acknowledged.
TEST_F(StoreRows, CreationThatWasCutOffAndThenFinishedSurvivesAPowerCut) {
  const std::vector<Moment> moments = moments_of(
      disk_, [&] { ASSERT_OK(store::open_commit_store(environment_of(disk_), kStore, options_)); });
  ASSERT_GT(moments.size(), 50U);
  for (std::size_t i = 0; i < moments.size(); ++i) {
    // The first ones make the store's own directory.
    if (!all_cases() && i > 8 && i % 8 != 0) continue;
    SCOPED_TRACE(moments[i].name());
    const auto after = crashed(*moments[i].disk, CrashMode::process);
    Ending ending;
    ASSERT_TRUE(outlasts_power_cut(*after, oracle_, options_, {Place{}}, &ending));
    count_fault("S11", ending.came);
  }
}

// W14: a clean open copies a log that has a name elsewhere, and can be cut off anywhere.
TEST_F(StoreRows, CrashWhileASharedLogIsCopied) {
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(4);
  const Place tip = life.progress().acked;
  life.close();
  const std::string log =
      disk_.tree(std::string(kStore) + "/gen-00000001/changelog/").rbegin()->first;
  ASSERT_OK(disk_.files().link(log, "/elsewhere"));
  ASSERT_OK(disk_.files().sync_directory("/"));
  const Bytes content = disk_.tree("/elsewhere").begin()->second;
  const std::vector<Moment> moments = moments_of(
      disk_, [&] { ASSERT_OK(store::open_commit_store(environment_of(disk_), kStore, options_)); });
  const auto renames = std::ranges::count_if(moments, [](const Moment& moment) {
    return moment.operation == Operation::rename && path_class(moment.path) == "log";
  });
  EXPECT_EQ(renames, 1) << "the log was not copied";
  for (const Moment& moment : moments) {
    for (const CrashMode mode : {CrashMode::process, CrashMode::drop_unsynced, CrashMode::random}) {
      SCOPED_TRACE(moment.name());
      const auto after = crashed(*moment.disk, mode, ++seed_);
      Ending ending;
      ASSERT_TRUE(recovers(*after, oracle_, options_, {tip}, &ending));
      ASSERT_EQ(after->tree("/elsewhere").begin()->second, content);
      count_fault("W14", ending.came);
    }
  }
}

// B1 by path: before the swap the old tip, after it the target; then it can be repeated.
TEST_F(StoreRows, CrashAtEveryStepOfARollbackByPath) {
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(3);
  life.snapshot();
  life.commits(6);
  const Place tip = life.progress().acked;
  const Place target = tip.back_to(5);
  life.close();
  const std::vector<Moment> moments = moments_of(disk_, [&] {
    ASSERT_OK(recovery::rollback_store(environment_of(disk_), kStore, target.version, {}));
  });
  ASSERT_GT(moments.size(), 60U);
  std::set<std::int64_t> found;
  for (const Moment& moment : moments) {
    if (!all_cases() && moment.n % 8 != 0 && path_class(moment.path) != "CURRENT") continue;
    SCOPED_TRACE(moment.name());
    for (const CrashMode mode : {CrashMode::process, CrashMode::drop_unsynced, CrashMode::random}) {
      const auto after = crashed(*moment.disk, mode, ++seed_);
      if (moment.n % 3 == 0) {
        ASSERT_OK(recovery::rollback_store(environment_of(*after), kStore, target.version, {}));
        ASSERT_TRUE(recovers(*after, oracle_, options_, {target}));
        continue;
      }
      Ending ending;
      ASSERT_TRUE(comes_back(*after, mode, {tip, target}, ending));
      found.insert(ending.place.version);
      count_fault("B1", ending.came);
    }
  }
  EXPECT_EQ(found.size(), 2U) << "the swap was not reached, or only the swap";
}

/// Imports the state of a view into the store of a disk.
Status import_from(const CommitStore& source, SimDisk& disk, bool force) {
  FLATKV_ASSIGN(const ReadView view, source.view());
  ImportOptions options;
  options.force = force;
  FLATKV_ASSIGN(const auto import,
                transfer::RowImport::begin(environment_of(disk), kStore, options));
  PerDataDatabase<LtHash> hashes;
  PerDataDatabase<DatabaseStats> stats;
  for (const Database database : kDataDatabases) {
    hashes[database] = view.hash(database);
    stats[database] = view.stats(database);
    FLATKV_ASSIGN(RowIterator rows, view.iterate(database));
    for (; rows.valid(); rows.next()) {
      const ImportRow row{database, rows.key(), rows.value()};
      FLATKV_TRY(import->write({&row, 1}));
    }
    FLATKV_TRY(rows.status());
  }
  return import->finish(view.version(), hashes, stats);
}

class StoreImport : public StoreRows {
 protected:
  StoreImport() : source_(source_disk_, oracle_, options_) {
    source_.open();
    source_.commits(6);
    imported_ = source_.progress().acked;
  }
  SimDisk source_disk_;
  Life source_;
  Place imported_;
};

// I1 over a store: the old one before the swap, the new one after it.
TEST_F(StoreImport, CrashAtEveryStepOverAStore) {
  Life life(disk_, oracle_, options_);
  life.open();
  life.commits(2);
  life.snapshot();
  life.commits(2);
  const Place old = life.progress().acked;
  life.close();
  const std::vector<Moment> moments =
      moments_of(disk_, [&] { ASSERT_OK(import_from(source_.store(), disk_, true)); });
  ASSERT_GT(moments.size(), 100U);
  std::set<std::int64_t> found;
  for (const Moment& moment : moments) {
    if (!all_cases() && moment.n % 6 != 0 && path_class(moment.path) != "CURRENT") continue;
    SCOPED_TRACE(moment.name());
    for (const CrashMode mode : {CrashMode::process, CrashMode::drop_unsynced, CrashMode::random}) {
      const auto after = crashed(*moment.disk, mode, ++seed_);
      Ending ending;
      ASSERT_TRUE(comes_back(*after, mode, {old, imported_}, ending));
      found.insert(ending.place.version);
      count_fault("I1", ending.came);
    }
  }
  EXPECT_EQ(found, (std::set<std::int64_t>{old.version, imported_.version}));
  // Once it has returned, no power cut takes it back.
  ASSERT_TRUE(recovers(*crashed(disk_, CrashMode::drop_unsynced), oracle_, options_, {imported_}));
}

// I1 without a store: `import_incomplete` until the swap, and the import can be repeated.
TEST_F(StoreImport, CrashAtEveryStepIntoNothing) {
  const std::vector<Moment> moments =
      moments_of(disk_, [&] { ASSERT_OK(import_from(source_.store(), disk_, false)); });
  ASSERT_GT(moments.size(), 100U);
  unsigned incomplete = 0;
  for (const Moment& moment : moments) {
    if (!all_cases() && moment.n % 6 != 0 && path_class(moment.path) != "CURRENT") continue;
    SCOPED_TRACE(moment.name());
    for (const CrashMode mode : {CrashMode::process, CrashMode::drop_unsynced, CrashMode::random}) {
      const auto after = crashed(*moment.disk, mode, ++seed_);
      Options options = options_;
      options.create_if_missing = false;
      const auto before = picture(*after);
      auto opened = store::open_commit_store(environment_of(*after), kStore, options);
      if (opened) {
        EXPECT_OK(opened->close());
        opened = fail(ErrorCode::unsupported, "");  // closes the store
        if (mode == CrashMode::process) {
          ASSERT_TRUE(outlasts_power_cut(*after->clone(), oracle_, options_, {imported_}));
        }
        ASSERT_TRUE(recovers(*after, oracle_, options, {imported_}));
        count_fault("I1", Came::recovered);
        continue;
      }
      const ErrorCode code = opened.error().code;
      ASSERT_TRUE(code == ErrorCode::import_incomplete || code == ErrorCode::not_found)
          << opened.error().to_string();
      EXPECT_TRUE(picture(*after) == before);
      incomplete += code == ErrorCode::import_incomplete ? 1 : 0;
      count_fault("I1", Came::refused);
      if (moment.n % 4 != 0) continue;
      ASSERT_OK(import_from(source_.store(), *after, false));
      ASSERT_TRUE(recovers(*after, oracle_, options, {imported_}));
    }
  }
  EXPECT_GT(incomplete, 20U);
  ASSERT_TRUE(recovers(*crashed(disk_, CrashMode::drop_unsynced), oracle_, options_, {imported_}));
}

// I1: a step of the import fails. The old or the new store is there; the import can be repeated.
TEST_F(StoreImport, AStepFails) {
  std::uint64_t n = 1;
  for (;; n += all_cases() ? 1U : 13U) {
    SCOPED_TRACE("operation " + std::to_string(n));
    SimDisk disk;
    Life life(disk, oracle_, options_);
    life.open();
    life.commits(4);
    const Place old = life.progress().acked;
    life.close();
    Fault fault;
    fault.nth = static_cast<unsigned>(n);
    disk.inject(fault);
    const Status done = import_from(source_.store(), disk, true);
    if (disk.injected() == 0) break;
    disk.clear_faults();
    if (!done) {
      const auto left = disk.files().list(kStore);
      ASSERT_OK(left);
      for (const fs::DirEntry& entry : *left) EXPECT_FALSE(entry.name.ends_with("-import-tmp"));
    }
    const bool power_lost = n % 2 == 0;
    const auto after = crashed(disk, power_lost ? CrashMode::drop_unsynced : CrashMode::process);
    std::vector<Place> allowed = {imported_};
    if (!done) allowed.push_back(old);
    Ending ending;
    ASSERT_TRUE(recovers(*after, oracle_, options_, allowed, &ending))
        << (done ? "it succeeded" : done.error().to_string());
    count_fault("I1", ending.came);
    if (!done && n % 3 == 0) {
      ASSERT_OK(import_from(source_.store(), disk, true));
      ASSERT_TRUE(recovers(disk, oracle_, options_, {imported_}));
    }
  }
  EXPECT_GT(n, 100U);
}

}  // namespace
}  // namespace flatkv::simdisk

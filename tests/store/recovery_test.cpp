// SPDX-License-Identifier: Apache-2.0
// Opening (docs/specification.md#opening): databases at different versions, replay, gaps, logs that
// end too early, clean opens.
#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

class Recovery : public StoreFixture {
 protected:
  void SetUp() override {
    options_.segment_bytes = 2048;  // many segments
    open();
  }

  /// A refused open leaves the directory exactly as it was.
  void expect_refused(ErrorCode code) {
    const auto before = tree_state(path());
    const auto opened = try_open();
    EXPECT_TRUE(fails(opened, code));
    EXPECT_EQ(tree_difference(before, tree_state(path())), "");
  }
};

TEST_F(Recovery, PersistenceAfterReopen) {
  for (int i = 0; i < 5 && !HasFatalFailure(); ++i) {
    blocks(4);
    reopen();
    check();
    EXPECT_TRUE(store_->open_report().clean);
  }
}

TEST_F(Recovery, CatchUpReplay) {
  blocks(6);
  ASSERT_OK(store_->flush());
  blocks(11);
  image("killed");
  close();
  restore("killed");
  open();
  EXPECT_FALSE(store_->open_report().clean);
  EXPECT_EQ(store_->open_report().replayed_blocks, 11);
  check_and_go_on();
}

TEST_F(Recovery, CatchUpReplayFromNothingFlushed) {
  blocks(9);
  image("killed");
  close();
  restore("killed");
  open();
  EXPECT_EQ(store_->open_report().replayed_blocks, 9);
  check_and_go_on();
  close();
  EXPECT_TRUE(all_flushed_at(model_.version()));
}

TEST_F(Recovery, PerDatabaseHashesAfterSkewRecovery) {
  // Each database once behind and once ahead of all others.
  for (const char* behind : kNames) {
    SCOPED_TRACE(behind);
    close();
    save_database(behind);
    open();
    blocks(7);
    close();
    restore_database(behind);
    ASSERT_EQ(flushed(behind), model_.version() - 7);
    open();
    ASSERT_TRUE(store_);
    EXPECT_FALSE(store_->open_report().rebuilt_working_copy);
    for (const Database database : kDataDatabases) {
      EXPECT_EQ(store_->working_hash(database).value().serialize(),
                model_.committed().hashes[database].serialized());
    }
    check_and_go_on();
  }
  for (const char* ahead : kNames) {
    SCOPED_TRACE(ahead);
    close();
    for (const char* name : kNames) save_database(name);
    open();
    blocks(5);
    close();
    for (const char* name : kNames) {
      if (std::string_view(name) != ahead) restore_database(name);
    }
    open();
    check_and_go_on();
  }
}

TEST_F(Recovery, SkewOfManyBlocksInEveryDatabase) {
  const std::array<const char*, 5> order = {"legacy", "account", "metadata", "storage", "code"};
  for (const char* name : order) {
    blocks(3);
    close();
    save_database(name);
    open();
  }
  blocks(3);
  close();
  for (const char* name : order) restore_database(name);
  std::int64_t version = 3;
  for (const char* name : order) {
    EXPECT_EQ(flushed(name), version) << name;
    version += 3;
  }
  open();
  EXPECT_EQ(store_->open_report().replayed_blocks, 15);
  check_and_go_on();
  close();
  EXPECT_TRUE(all_flushed_at(model_.version())) << "databases are uneven after replay";
}

TEST_F(Recovery, SkewIsFoundThoughCleanIsThere) {
  blocks(5);
  close();
  save_database("code");
  open();
  blocks(5);
  close();
  const Bytes clean = read_file(live_generation(path()) + "/CLEAN");
  restore_database("code");
  write_file(live_generation(path()) + "/CLEAN", clean);
  open();
  EXPECT_FALSE(store_->open_report().clean);
  check_and_go_on();
}

// docs/hazards.md#metadata-behind-rows
TEST_F(Recovery, MetadataDatabaseBehindTheRows) {
  // The metadata database holds hashes of older rows: building on them would be wrong for ever.
  blocks(4);
  close();
  save_database("metadata");
  open();
  blocks(1);
  close();
  restore_database("metadata");
  open();
  EXPECT_TRUE(same_roots(store_->committed_roots(), model_.committed().roots()));
  check_and_go_on();
}

// docs/hazards.md#skipped-versions
TEST_F(Recovery, GapInTheLogIsRefused) {
  blocks(2);
  close();
  save_database("storage");
  open();
  blocks(20);
  ASSERT_OK(store_->snapshot());  // so that blocks to replay are missing, not the base
  close();
  const auto files = segments(path());
  ASSERT_GT(files.size(), 4U);
  restore_database("storage");
  for (const std::string& snapshot : snapshots(path())) remove_tree(snapshot);
  stdfs::remove(files[files.size() / 2]);
  const auto before = tree_state(path());
  const auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().code == ErrorCode::log_gap ||
              opened.error().code == ErrorCode::corruption)
      << opened.error().to_string();
  EXPECT_EQ(tree_difference(before, tree_state(path())), "");
}

// docs/hazards.md#skipped-versions
TEST_F(Recovery, GapBelowEverythingThatIsNeededIsNoMatter) {
  blocks(20);
  close();
  const auto files = segments(path());
  ASSERT_GT(files.size(), 4U);
  stdfs::remove(files[1]);
  open();
  check_and_go_on();
}

// docs/hazards.md#evidence-destroyed-by-replay
TEST_F(Recovery, LevelDatabasesAheadOfTheLogAreKeptAndSaidSo) {
  blocks(5);
  close();
  copy_tree(live_generation(path()) + "/changelog", aside("log"));
  open();
  blocks(5);
  close();
  copy_tree(aside("log"), live_generation(path()) + "/changelog");
  remove_clean(path());
  open();
  EXPECT_TRUE(store_->open_report().lost_log_tail);
  check_and_go_on();
  reopen();
  EXPECT_FALSE(store_->open_report().lost_log_tail);
  check_and_go_on();
}

// docs/hazards.md#evidence-destroyed-by-replay
TEST_F(Recovery, UnevenDatabasesAheadOfTheLogAreRefused) {
  blocks(5);
  close();
  copy_tree(live_generation(path()) + "/changelog", aside("log"));
  open();
  blocks(3);
  close();
  save_database("storage");
  open();
  blocks(3);
  close();
  restore_database("storage");
  copy_tree(aside("log"), live_generation(path()) + "/changelog");
  expect_refused(ErrorCode::log_behind);
}

// docs/hazards.md#clean-open-decodes-the-log
TEST_F(Recovery, CleanReopenReadsNothingOfTheLog) {
  blocks(30);
  close();
  const auto files = segments(path());
  ASSERT_GT(files.size(), 3U);
  // Damage that any read of these records would meet.
  for (std::size_t i = 0; i + 1 < files.size(); ++i) {
    flip_bit(files[i], 8 * (stdfs::file_size(files[i]) - 5));
  }
  open();
  EXPECT_TRUE(store_->open_report().clean);
  EXPECT_EQ(store_->open_report().replayed_blocks, 0);
  check_and_go_on();
}

// docs/hazards.md#needless-clone
TEST_F(Recovery, RightWorkingCopyIsUsedAsItIs) {
  blocks(10);
  close();
  const std::string generation = live_generation(path());
  const std::uint64_t inode = stdfs::hash_value(generation);
  open();
  EXPECT_TRUE(store_->open_report().clean);
  EXPECT_FALSE(store_->open_report().rebuilt_working_copy);
  EXPECT_EQ(live_generation(path()), generation);
  image("killed");
  close();
  restore("killed");
  open();  // not clean, and still the same working copy
  EXPECT_FALSE(store_->open_report().rebuilt_working_copy);
  EXPECT_EQ(live_generation(path()), generation);
  EXPECT_EQ(stdfs::hash_value(live_generation(path())), inode);
  check();
}

// docs/hazards.md#damage-without-error
TEST_F(Recovery, NothingIsWrittenToADatabaseOutsideAFlush) {
  blocks(10);
  ASSERT_OK(store_->flush());
  std::array<std::map<std::string, std::string>, 5> before;
  for (std::size_t i = 0; i < 5; ++i) before[i] = tree_state(working(path(), kNames[i]));
  blocks(10);
  for (std::size_t i = 0; i < 5; ++i) {
    const auto now = tree_state(working(path(), kNames[i]));
    for (const auto& [name, what] : before[i]) {
      if (name == "LOG") continue;
      EXPECT_EQ(now.contains(name) ? now.at(name) : "", what) << kNames[i] << "/" << name;
    }
    for (const std::string& log : names(working(path(), kNames[i]), "", ".log")) {
      EXPECT_EQ(stdfs::file_size(working(path(), kNames[i]) + "/" + log), 0U) << log;
    }
  }
}

// docs/hazards.md#lost-store-created-anew
TEST_F(Recovery, CreateIfMissingNeverReplacesAStoreThatLostSomething) {
  blocks(8);
  close();
  copy_tree(path(), aside("good"));
  const std::string generation = stdfs::path(live_generation(path())).filename();
  options_.create_if_missing = true;
  struct Loss {
    const char* what;
    bool must_open;
  };
  const std::vector<Loss> losses = {{"/working/storage/CURRENT", true},
                                    {"/working/storage", true},
                                    {"/working/metadata", true},
                                    {"/working", true},
                                    {"/changelog", false},
                                    {"/MANIFEST.json", false}};
  for (const Loss& loss : losses) {
    SCOPED_TRACE(loss.what);
    restore("good");
    remove_tree(path() + "/" + generation + loss.what);
    remove_clean(path());
    const auto before = tree_state(path());
    const auto opened = try_open();
    if (!opened) {
      EXPECT_FALSE(loss.must_open) << opened.error().to_string();
      EXPECT_EQ(tree_difference(before, tree_state(path())), "");
    } else {
      EXPECT_TRUE(loss.must_open);
      EXPECT_TRUE(store_is(*opened, model_.committed()));
    }
  }
  // Only CURRENT.
  restore("good");
  stdfs::remove(path() + "/CURRENT");
  open();
  check_and_go_on();
}

// docs/hazards.md#lost-store-created-anew
TEST_F(Recovery, OpenOnNothingNeedsCreateIfMissing) {
  close();
  options_.create_if_missing = false;
  EXPECT_TRUE(fails(CommitStore::open(directory_.path("nothing"), options_), ErrorCode::not_found));
  EXPECT_FALSE(stdfs::exists(directory_.path("nothing")));
  stdfs::create_directory(directory_.path("empty"));
  EXPECT_TRUE(fails(CommitStore::open(directory_.path("empty"), options_), ErrorCode::not_found));
  EXPECT_TRUE(tree_state(directory_.path("empty")).empty());
}

// docs/hazards.md#checkpoint-fails-but-looks-complete
TEST_F(Recovery, SnapshotDirectoryWithoutItsSnapshotFileIsNone) {
  blocks(6);
  ASSERT_OK(store_->snapshot());
  blocks(6);
  close();
  // A checkpoint that failed half-way leaves a directory that looks complete.
  const auto all = snapshots(path());
  ASSERT_FALSE(all.empty());
  stdfs::remove(all.back() + "/SNAPSHOT");
  remove_tree(working(path(), "code"));
  remove_clean(path());
  open();  // from the older snapshot
  EXPECT_TRUE(store_->open_report().rebuilt_working_copy);
  check_and_go_on();
}

TEST_F(Recovery, UnusableWorkingCopyIsRebuiltFromTheNewestSnapshot) {
  blocks(6);
  ASSERT_OK(store_->snapshot());
  blocks(6);
  close();
  const std::string old = live_generation(path());
  remove_tree(working(path(), "storage"));
  open();
  EXPECT_TRUE(store_->open_report().rebuilt_working_copy);
  EXPECT_EQ(store_->open_report().replayed_blocks, 6);
  EXPECT_NE(live_generation(path()), old);
  check_and_go_on();
  reopen();
  EXPECT_TRUE(store_->open_report().clean);
  EXPECT_FALSE(stdfs::exists(old));
}

TEST_F(Recovery, LogRecordOfAPrunedVersionIsNoneNotAnError) {
  options_.snapshot.keep = 0;
  reopen();
  blocks(20);
  const auto before = store_->log_record(1);  // the log is listed while it has all its segments
  ASSERT_OK(before);
  ASSERT_TRUE(before->has_value());
  ASSERT_OK(store_->snapshot());
  blocks(1);
  for (std::int64_t version = 20; version >= 1; --version) {
    const auto record = store_->log_record(version);
    ASSERT_OK(record);
    EXPECT_TRUE(!*record || (*record)->version == version);
  }
  const auto pruned = store_->log_record(3);
  ASSERT_OK(pruned);
  EXPECT_FALSE(pruned->has_value());
  ASSERT_TRUE(store_->log_record(21)->has_value());
}

TEST_F(Recovery, LogRecordsInAnyOrder) {
  blocks(6);
  for (const std::int64_t version : {3, 3, 4, 6, 1, 2, 2, 6}) {
    const auto record = store_->log_record(version);
    ASSERT_OK(record);
    ASSERT_TRUE(record->has_value());
    EXPECT_EQ((*record)->version, version);
  }
  // A record is its header: the payload is not looked at.
  const std::string last = segments(path()).back();
  flip_bit(last, 8 * (stdfs::file_size(last) - 1));
  ASSERT_OK(store_->log_record(5));
  const auto damaged = store_->log_record(6);
  ASSERT_OK(damaged);
  EXPECT_EQ((*damaged)->roots, model_.committed().roots());
  flip_bit(last, 8 * (stdfs::file_size(last) - 1));
}

TEST_F(Recovery, InitialVersionCounts) {
  close();
  remove_tree(path());
  options_.create.initial_version = 1'000'000;
  model_ = Model(AccountRows::keep, 1'000'000);
  open();
  EXPECT_EQ(store_->version(), 999'999);
  EXPECT_EQ(store_->initial_version(), 1'000'000);
  EXPECT_TRUE(fails(store_->commit(1), ErrorCode::version_mismatch));
  blocks(3);
  image("killed");
  close();
  restore("killed");
  open();
  EXPECT_EQ(store_->version(), 1'000'002);
  check_and_go_on();
  for (const std::int64_t bad : std::initializer_list<std::int64_t>{0, -5, INT64_MAX}) {
    CreateOptions create;
    create.initial_version = bad;
    EXPECT_TRUE(
        fails(CommitStore::create(directory_.path("bad"), create), ErrorCode::invalid_argument));
    EXPECT_FALSE(stdfs::exists(directory_.path("bad") + "/CURRENT"));
  }
}

TEST_F(Recovery, CreateRefusesAnExistingStore) {
  blocks(2);
  close();
  const auto before = tree_state(path());
  EXPECT_FALSE(CommitStore::create(path()));
  EXPECT_EQ(tree_difference(before, tree_state(path())), "");
  open();
  check();
}

}  // namespace
}  // namespace flatkv::test

// SPDX-License-Identifier: Apache-2.0
// What an open says: the report and the warnings of one that succeeds, and of one that is refused
// where the trouble is, up to the byte, and what can be done.
#include <gtest/gtest.h>

#include "flatkv/tools/inspect.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

struct Report {
  bool clean = false;
  std::int64_t replayed_blocks = 0;
  std::string truncated_log{};
  bool lost_log_tail = false;
  bool rebuilt_working_copy = false;
  bool rebuilt_metadata = false;
};

struct Refusal {
  ErrorCode code{};
  std::string path{};
  std::optional<Database> database{};
  std::optional<std::int64_t> version{};
  std::optional<std::uint64_t> offset{};
};

class OpenReportTest : public StoreFixture {
 protected:
  /// Blocks up to 12, a snapshot at 4, the databases at 8, as a kill leaves it.
  void SetUp() override {
    options_.snapshot.keep = 1;
    open();
    for (int version = 1; version <= 12; ++version) {
      offsets_[version] = stdfs::file_size(segments(path()).back());
      blocks(1);
      if (version == 4) {
        ASSERT_OK(store_->snapshot());
      }
      if (version == 8) {
        ASSERT_OK(store_->flush());
      }
    }
    image("killed");
    close();
    image("closed");
    restore("killed");
    segment_ = segments(path()).back();
    options_.log = [this](LogLevel level, std::string_view text) {
      if (level != LogLevel::info) warnings_.emplace_back(text);
    };
  }

  Model at(std::int64_t version) const {
    Model model;
    while (model.version() < version) {
      for (const Changes& one : script_block(seed_, model.version() + 1)) model.apply(one);
      model.commit();
    }
    return model;
  }
  std::string in_generation(const std::string& name) const {
    return live_generation(path()) + "/" + name;
  }
  void damage_record(std::int64_t version) { flip_bit(segment_, 8 * offsets_.at(version + 1) - 3); }

  void expect_warnings(const std::vector<std::string>& parts) {
    ASSERT_EQ(warnings_.size(), parts.size()) << ::testing::PrintToString(warnings_);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      EXPECT_NE(warnings_[i].find(parts[i]), std::string::npos) << warnings_[i];
    }
  }
  /// Opens at the version, and goes on, and the next open is clean.
  void expect_open(std::int64_t version, const Report& report,
                   const std::vector<std::string>& warnings = {},
                   const std::vector<std::string>& later = {}) {
    warnings_.clear();
    open();
    const OpenReport& found = store_->open_report();
    EXPECT_EQ(found.clean, report.clean);
    EXPECT_EQ(found.replayed_blocks, report.replayed_blocks);
    EXPECT_TRUE(found.backfilled.empty());
    EXPECT_EQ(found.truncated_log.value_or(""), report.truncated_log);
    EXPECT_EQ(found.lost_log_tail, report.lost_log_tail);
    EXPECT_EQ(found.rebuilt_working_copy, report.rebuilt_working_copy);
    EXPECT_EQ(found.rebuilt_metadata, report.rebuilt_metadata);
    expect_warnings(warnings);
    model_ = at(version);
    check_and_go_on();
    warnings_.clear();
    reopen();
    EXPECT_TRUE(store_->open_report().clean);
    EXPECT_EQ(store_->open_report().truncated_log, std::nullopt);
    expect_warnings(later);
    check();
    close();
  }
  /// Refused with this error, whose message has the parts, and nothing is changed.
  void expect_refused(const Refusal& error, const std::vector<std::string>& parts = {}) {
    const auto before = tree_state(path());
    const auto opened = try_open();
    ASSERT_FALSE(opened);
    const Error& found = opened.error();
    EXPECT_EQ(found.code, error.code);
    EXPECT_EQ(found.path, error.path);
    EXPECT_EQ(found.database, error.database);
    EXPECT_EQ(found.version, error.version);
    EXPECT_EQ(found.offset, error.offset);
    for (const std::string& part : parts) {
      EXPECT_NE(found.message.find(part), std::string::npos) << found.message;
    }
    EXPECT_EQ(tree_difference(before, tree_state(path())), "");
  }

  std::map<std::int64_t, std::uint64_t> offsets_;  ///< of the records
  std::string segment_;                            ///< there is one
  std::vector<std::string> warnings_;
};

TEST_F(OpenReportTest, OfWhatIsAsItWasLeft) {
  expect_open(12, {.replayed_blocks = 4});
  restore("closed");
  expect_open(12, {.clean = true});
}

TEST_F(OpenReportTest, OfBlocksThatAClosedStoreHasOnlyInItsLog) {
  options_.rollback_depth = 3;
  open();
  close();
  EXPECT_EQ(flushed("storage"), 8);
  expect_open(12, {.clean = true, .replayed_blocks = 4});
  // Some of them are old enough for the databases.
  restore("closed");
  options_.flush.max_lag_blocks = 2;
  model_ = at(12);
  open();
  blocks(8);
  close();
  for (const char* name : kNames) EXPECT_EQ(flushed(name), 17) << name;
  expect_open(20, {.clean = true, .replayed_blocks = 3});
}

TEST_F(OpenReportTest, OfAnUnfinishedRecord) {
  resize_file(segment_, stdfs::file_size(segment_) - 1);
  const std::string offset = " offset " + std::to_string(offsets_[12]);
  expect_open(11, {.replayed_blocks = 3, .truncated_log = segment_ + " at" + offset},
              {segment_ + offset + " (version 12: "});
}

TEST_F(OpenReportTest, OfZerosBehindTheLastRecord) {
  resize_file(segment_, stdfs::file_size(segment_) + 5000);
  expect_open(12, {.replayed_blocks = 4});
}

TEST_F(OpenReportTest, OfABadRecordAboveWhatWasDurable) {
  damage_record(10);
  const std::string offset = " offset " + std::to_string(offsets_[10]);
  expect_open(9, {.replayed_blocks = 1, .truncated_log = segment_ + " at" + offset},
              {segment_ + offset + " (version 10: "});
}

TEST_F(OpenReportTest, ForReadingOfABadRecord) {
  damage_record(10);
  {
    const auto above = ReadOnlyStore::open(path());
    ASSERT_OK(above);
    EXPECT_EQ(above->version(), 9);
  }
  restore("killed");
  damage_record(6);
  remove_tree(working(path(), "storage"));
  const auto below = ReadOnlyStore::open(path());
  ASSERT_TRUE(fails(below, ErrorCode::corruption));
  EXPECT_EQ(below.error().path, segment_);
  EXPECT_EQ(below.error().version, 6);
  EXPECT_EQ(below.error().offset, offsets_[6]);
}

TEST_F(OpenReportTest, OfABadRecordThatIsNeeded) {
  damage_record(6);
  expect_open(12, {.replayed_blocks = 4});  // the databases are above it
  restore("killed");
  damage_record(6);
  remove_tree(working(path(), "storage"));
  expect_refused(
      {.code = ErrorCode::corruption, .path = segment_, .version = 6, .offset = offsets_[6]},
      {"`flatkv rollback STORE 5`"});
}

TEST_F(OpenReportTest, OfARebuiltWorkingCopy) {
  remove_tree(working(path(), "storage"));
  expect_open(12, {.replayed_blocks = 8, .rebuilt_working_copy = true},
              {"rebuilt from the snapshot at version 4: corruption: the database is missing"});
}

TEST_F(OpenReportTest, OfACopyThatNoSnapshotCanReplace) {
  remove_tree(working(path(), "storage"));
  for (const std::string& snapshot : snapshots(path())) remove_tree(snapshot);
  expect_refused({.code = ErrorCode::corruption,
                  .path = working(path(), "storage"),
                  .database = Database::storage},
                 {"no snapshot can replace the working copy"});
}

TEST_F(OpenReportTest, OfARebuiltMetadataDatabase) {
  remove_tree(working(path(), "metadata"));
  expect_open(12, {.replayed_blocks = 4, .rebuilt_metadata = true},
              {"the metadata database is rebuilt: corruption: the database is missing",
               "the metadata database is rebuilt: corruption: the metadata database lacks"});
}

TEST_F(OpenReportTest, OfARebuiltMetadataDatabaseOfAnEmptyStore) {
  remove_tree(path());
  open();
  close();
  remove_tree(working(path(), "metadata"));
  open();
  EXPECT_TRUE(store_->open_report().rebuilt_metadata);
  EXPECT_EQ(flushed("metadata"), 0);
  reopen();
  EXPECT_TRUE(store_->open_report().clean);
}

TEST_F(OpenReportTest, OfALostCurrent) {
  stdfs::remove(path() + "/CURRENT");
  expect_open(12, {.replayed_blocks = 4},
              {"CURRENT is missing or bad; the only complete generation, gen-00000001, is used"});
}

TEST_F(OpenReportTest, OfASnapshotThatCannotBeRead) {
  flip_bit(snapshots(path()).back() + "/SNAPSHOT", 100);
  expect_open(12, {.replayed_blocks = 4}, {"snapshot skipped: "}, {"snapshot skipped: "});
}

TEST_F(OpenReportTest, OfALogThatIsGone) {
  remove_tree(in_generation("changelog"));
  stdfs::create_directory(in_generation("changelog"));
  expect_refused({.code = ErrorCode::log_behind, .path = in_generation("changelog"), .version = 8},
                 {"blocks above version 8", "`flatkv rollback STORE 4`"});
}

TEST_F(OpenReportTest, OfALogThatEndsTooEarly) {
  // All databases are at 8, and the log ends with 7.
  resize_file(segment_, offsets_[8]);
  expect_open(8, {.lost_log_tail = true}, {"all databases are at version 8"});
  restore("killed");
  save_database("storage");
  restore("closed");
  restore_database("storage");  // at 8, the others at 12
  resize_file(segment_, offsets_[11]);
  expect_refused({.code = ErrorCode::log_behind, .path = live_generation(path()), .version = 12},
                 {"the changelog reaches version 10, but version 12 is known to be durable",
                  "account is at 12", "storage is at 8",
                  "`flatkv rollback STORE 4` `flatkv rollback STORE 10`"});
}

TEST_F(OpenReportTest, OfSnapshotsThatANewLogLeavesBehind) {
  options_.snapshot.keep = 2;
  open();
  ASSERT_OK(store_->snapshot());
  close();
  ASSERT_EQ(snapshots(path()).size(), 3U);  // at 0, 4 and 12
  resize_file(segment_, offsets_[11]);
  remove_clean(path());
  remove_tree(snapshots(path())[1] + "/code/CURRENT");
  expect_open(12, {.lost_log_tail = true},
              {"all databases are at version 12", "snapshot left behind: " + snapshots(path())[1]});
  const auto left = snapshots(path());
  ASSERT_EQ(left.size(), 2U);
  EXPECT_TRUE(left[0].ends_with("00")) << left[0];
  EXPECT_TRUE(left[1].ends_with("12")) << left[1];
}

TEST_F(OpenReportTest, OfALogThatBeginsTooLate) {
  save_database("storage");
  restore("closed");
  options_.segment_bytes = 1;
  open();
  blocks(2);
  close();
  restore_database("storage");
  for (const std::string& snapshot : snapshots(path())) remove_tree(snapshot);
  ASSERT_EQ(segments(path()).size(), 3U);
  stdfs::remove(segments(path()).front());
  expect_refused({.code = ErrorCode::log_gap, .path = live_generation(path())},
                 {"the changelog begins after version 12, a database is at 8"});
}

TEST_F(OpenReportTest, OfACleanMarkerOfAnotherStore) {
  restore("closed");
  const std::string other = directory_.path("other");
  ASSERT_OK(CommitStore::create(other));
  write_file(in_generation("CLEAN"), read_file(live_generation(other) + "/CLEAN"));
  expect_open(12, {}, {"CLEAN is of another store and is ignored"});
}

TEST_F(OpenReportTest, OfASegmentOfAnotherStore) {
  restore("closed");
  const std::string other = directory_.path("other");
  ASSERT_OK(CommitStore::create(other));
  const Bytes header = read_file(segments(other).front());
  Bytes content = read_file(segment_);
  std::ranges::copy(header, content.begin());
  write_file(segment_, content);
  expect_refused({.code = ErrorCode::foreign_store, .path = segment_});
}

TEST_F(OpenReportTest, OfHashesThatDisagree) {
  for (const char* name : {"account", "storage"}) {
    SCOPED_TRACE(name);
    restore("closed");
    const std::string key = "_meta/hash/" + std::string(name);
    Bytes hash = peek(working(path(), "metadata"), meta_key(key)).value();
    hash.at(1000) ^= 1;
    tamper(working(path(), "metadata"), {{meta_key(key), hash}});
    expect_refused({.code = ErrorCode::corruption,
                    .path = working(path(), name),
                    .database = name == kNames[0] ? Database::account : Database::storage,
                    .version = 12},
                   {"--db metadata"});
  }
  restore("closed");
  Bytes hash = peek(working(path(), "metadata"), meta_key("_meta/hash")).value();
  hash.at(7) ^= 1;
  tamper(working(path(), "metadata"), {{meta_key("_meta/hash"), hash}});
  expect_refused({.code = ErrorCode::corruption,
                  .path = working(path(), "metadata"),
                  .database = Database::metadata,
                  .version = 12},
                 {"add up to the root"});
}

TEST_F(OpenReportTest, OfNothing) {
  options_.create_if_missing = false;
  const auto opened = CommitStore::open(directory_.path("nothing"), options_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::not_found);
  EXPECT_EQ(opened.error().path, directory_.path("nothing"));
}

}  // namespace
}  // namespace flatkv::test

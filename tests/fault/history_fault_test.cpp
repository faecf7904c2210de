// SPDX-License-Identifier: Apache-2.0
// Rows of the matrix about versions other than the last: damage that snapshots share, copies above
// the requested version, targets that cannot be reached, and views during all of it.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/rollback.hpp"
#include "support/fault_counts.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

class HistoryFault : public StoreFixture {
 protected:
  /// Commits `count` more blocks; keeps the model's state of each version.
  void grow(std::int64_t count) {
    for (std::int64_t i = 0; i < count && !HasFatalFailure(); ++i) {
      blocks(1);
      states_[model_.version()] = model_.committed();
    }
  }
  RollbackOptions rollback_options() const {
    RollbackOptions options;
    options.threads = 1;
    return options;
  }
  ReadOnlyOptions at(std::int64_t version) const {
    ReadOnlyOptions options;
    options.at = version;
    options.threads = 1;
    return options;
  }
  void expect_at(std::int64_t version) {
    const auto past = ReadOnlyStore::open(path(), at(version));
    ASSERT_OK(past);
    ASSERT_EQ(past->version(), version);
    ASSERT_TRUE(view_is(past->view(), states_.at(version)));
  }

  std::map<std::int64_t, State> states_;
};

TEST_F(HistoryFault, S8_ViewOfAGenerationThatWasReplaced) {
  open();
  grow(8);
  ASSERT_OK(store_->snapshot());
  grow(8);
  auto view = store_->view();
  ASSERT_OK(view);
  ASSERT_OK(store_->rollback(10));
  model_.go_back(states_.at(10));
  EXPECT_TRUE(view_is(*view, states_.at(16)));
  blocks(4);
  ASSERT_OK(store_->flush());
  ASSERT_OK(store_->snapshot());
  EXPECT_TRUE(view_is(*view, states_.at(16)));
  check();
  close();
  EXPECT_TRUE(view_is(*view, states_.at(16)));
  EXPECT_TRUE(fails(try_open(), ErrorCode::locked));
  view = fail(ErrorCode::io, "gone");
  open();
  check_and_go_on();
  if (!HasFailure()) count_fault("S8", Came::recovered);
}

// A table that snapshot and working copy share rots. Every copy of it is the same inode, so falling
// back to the snapshot does not help. The rot is found, named and never served.
TEST_F(HistoryFault, S10_DamageInATableThatTheSnapshotShares) {
  open();
  Changes many;
  for (std::uint64_t i = 0; i < 2000; ++i) many.storage(address(1), slot(i), word(i * i));
  block({many});
  ASSERT_OK(store_->snapshot());
  blocks(5);
  close();
  image("good");
  std::vector<std::string> shared;
  for (const std::string& name : names(working(path(), "storage"), "", ".sst")) {
    const std::string table = working(path(), "storage") + "/" + name;
    if (stdfs::hard_link_count(table) > 1) shared.push_back(table);
  }
  ASSERT_FALSE(shared.empty());
  {
    // In place: the inode is still the snapshot's.
    const std::string table = *std::max_element(shared.begin(), shared.end(), [](auto& a, auto& b) {
      return stdfs::file_size(a) < stdfs::file_size(b);
    });
    Bytes content = read_file(table);
    for (std::size_t i = 100; i < content.size() / 2; i += 97) content[i] ^= 0x40;
    write_file(table, content);
    ASSERT_GT(stdfs::hard_link_count(table), 1U);
  }
  options_.cache.row_cache_bytes = 0;
  auto opened = try_open();
  if (opened) {
    EXPECT_TRUE(fails(all_rows(*opened, Database::storage), ErrorCode::corruption));
    const auto verdict = opened->verify();
    EXPECT_FALSE(verdict && verdict->good());
    opened->close();
    count_fault("S10", Came::refused);
  } else {
    EXPECT_EQ(opened.error().code, ErrorCode::corruption);
    count_fault("S10", Came::refused);
  }
  opened = fail(ErrorCode::io, "closed");
  // The same without the working copy: the snapshot that must serve has the same rot.
  remove_tree(working(path(), "account"));
  const auto before = tree_state(path());
  auto rebuilt = try_open();
  if (!rebuilt) {
    EXPECT_TRUE(rebuilt.error().code == ErrorCode::corruption ||
                rebuilt.error().code == ErrorCode::log_gap)
        << rebuilt.error().to_string();
    EXPECT_EQ(tree_difference(before, tree_state(path())), "");
    count_fault("S10", Came::refused);
  } else if (store_is(*rebuilt, model_.committed())) {
    count_fault("S10", Came::rebuilt);  // from a snapshot that does not share it
  } else {
    const auto verdict = rebuilt->verify();
    EXPECT_FALSE(verdict && verdict->good()) << "rot passed for right";
    count_fault("S10", Came::refused);
  }
}

// A copy above the requested version is never used to start from.
TEST_F(HistoryFault, R2_CopyAheadOfWhatIsAskedFor) {
  options_.segment_bytes = 4096;
  open();
  grow(6);
  ASSERT_OK(store_->snapshot());
  grow(6);
  close();
  for (const char* name : kNames) save_database(name);
  open();
  grow(12);
  image("killed");
  close();
  for (const char* ahead : {"account", "code", "storage", "legacy"}) {
    SCOPED_TRACE(ahead);
    // Interrupted in replay: one database at 24, the others at 12, the log up to 24.
    for (const char* name : kNames) {
      if (std::string_view(name) != ahead) restore_database(name);
    }
    image("skewed");
    for (const std::int64_t version : {8, 18, 24}) {
      restore("skewed");
      expect_at(version);
      if (HasFatalFailure()) return;
      restore("skewed");
      ASSERT_OK(rollback(path(), version, rollback_options()));
      model_.go_back(states_.at(version));
      open();
      check_and_go_on();
      close();
      if (HasFatalFailure()) return;
      count_fault("R2", Came::recovered, 2);
    }
    // Without a snapshot below the target, only that copy is left.
    restore("skewed");
    for (const std::string& snapshot : snapshots(path())) remove_tree(snapshot);
    const auto before = tree_state(path());
    EXPECT_TRUE(fails(rollback(path(), 18, rollback_options()), ErrorCode::version_mismatch));
    EXPECT_FALSE(ReadOnlyStore::open(path(), at(18)));
    EXPECT_EQ(tree_difference(before, tree_state(path())), "");
    count_fault("R2", Came::refused, 2);
    restore("killed");
    model_ = Model();
    model_.go_back(states_.at(24));
    open();
    close();
  }
}

TEST_F(HistoryFault, B2_TargetThatCannotBeReached) {
  options_.segment_bytes = 2048;
  options_.snapshot.keep = 0;
  open();
  grow(20);
  ASSERT_OK(store_->snapshot());  // prunes the log below, too
  grow(5);
  for (const std::int64_t target : {-1, 0, 5, 19, 26, 1000}) {
    SCOPED_TRACE(target);
    const auto before = tree_state(path());
    const Status done = store_->rollback(target);
    ASSERT_TRUE(fails(done, ErrorCode::version_mismatch));
    EXPECT_NE(done.error().to_string().find("20"), std::string::npos)
        << "the range is not named: " << done.error().to_string();
    EXPECT_EQ(tree_difference(before, tree_state(path())), "");
    if (!HasFailure()) count_fault("B2", Came::refused);
  }
  blocks(1);
  check();
  close();
  const auto before = tree_state(path());
  for (const std::int64_t target : {0, 19, 27}) {
    EXPECT_TRUE(fails(rollback(path(), target, rollback_options()), ErrorCode::version_mismatch));
    EXPECT_EQ(tree_difference(before, tree_state(path())), "");
    if (!HasFailure()) count_fault("B2", Came::refused);
  }
  open();
  check_and_go_on();
}

// Blocks of odd shapes: each the last one before a kill, and each in the middle of a replay.
TEST_F(HistoryFault, C18_BlocksOfOddShapes) {
  options_.segment_bytes = 4096;
  open();
  blocks(3);
  Changes huge;  // a record as large as many segments
  for (std::uint64_t i = 0; i < 400; ++i) huge.storage(address(7), slot(i), Bytes(300, 5));
  Changes deletes;
  for (std::uint64_t i = 0; i < 400; ++i) deletes.remove(storage_key(address(7), slot(i)));
  const Changes nothing;
  Changes absent;  // deletes of rows that never existed
  for (std::uint64_t i = 0; i < 50; ++i) absent.remove(storage_key(address(8), slot(i)));
  const std::vector<std::vector<Changes>> shapes = {
      {}, {nothing}, {Changes().module("evm")}, {huge}, {}, {deletes}, {absent}, {huge, deletes}};
  for (const std::vector<Changes>& shape : shapes) {
    block(shape);
    image("killed");
    close();
    restore("killed");
    open();
    EXPECT_GT(store_->open_report().replayed_blocks, 0);
    check();
    ASSERT_FALSE(HasFatalFailure());
    count_fault("C18", Came::recovered);
  }
  check_and_go_on();
}

TEST_F(HistoryFault, S17_SnapshotWhileViewsAndIteratorsAreOpen) {
  open();
  grow(10);
  auto view = store_->view();
  ASSERT_OK(view);
  auto walk = view->iterate(Database::storage);
  ASSERT_OK(walk);
  grow(4);
  ASSERT_OK(store_->snapshot());
  grow(4);
  Rows rows;
  for (walk->seek_to_first(); walk->valid(); walk->next()) {
    rows.emplace(to_bytes(walk->key()), to_bytes(walk->value()));
  }
  ASSERT_OK(walk->status());
  EXPECT_EQ(rows, states_.at(10).rows[Database::storage]);
  EXPECT_TRUE(view_is(*view, states_.at(10)));
  walk = fail(ErrorCode::io, "gone");
  view = fail(ErrorCode::io, "gone");
  close();
  // The snapshot is valid at its version, whatever followed.
  remove_tree(working(path(), "legacy"));
  expect_at(14);
  open();
  check_and_go_on();
  if (!HasFailure()) count_fault("S17", Came::recovered);
}

}  // namespace
}  // namespace flatkv::test

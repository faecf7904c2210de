// SPDX-License-Identifier: Apache-2.0
#include "flatkv/tools/bisect.hpp"

#include "compare/test_support.hpp"

// Where two logs diverge, and the keys there. The command's tests cover more cases.
namespace flatkv::compare {
namespace {

class Bisect : public testing::Test {
 protected:
  /// Commits blocks up to `last`; from block `parts` on with other values.
  void commit(const std::string& name, std::int64_t last, std::int64_t parts) {
    CommitStore store = open_new(directory_ / name, quiet_options());
    while (store.version() < last) {
      const auto b = static_cast<unsigned>(store.version() + 1);
      const unsigned salt = store.version() + 1 >= parts ? 1 : 0;
      must(Block().slot(1, b, 7).slot(2, b, b + salt).set(Bytes{'k'}, {}).commit(store));
    }
    must(store.close());
  }

  Divergence find() { return must(find_divergence(directory_ / "a", directory_ / "b")); }

  /// Keys of the storage database that differ where the stores diverge.
  std::vector<Bytes> keys(const Divergence& found) {
    ReadOnlyOptions options;
    options.at = found.last;
    const auto a = must(ReadOnlyStore::open(directory_ / "a", options));
    const auto b = must(ReadOnlyStore::open(directory_ / "b", options));
    std::vector<Bytes> keys;
    must(diverging_rows(a, directory_ / "a", b, directory_ / "b", found.databases(),
                        [&](const RowDifference& row) -> Status {
                          EXPECT_EQ(row.database, Database::storage);
                          EXPECT_TRUE(row.a && row.b && !equal(*row.a, *row.b));
                          keys.push_back(to_bytes(row.key));
                          return {};
                        }));
    return keys;
  }

  static Bytes internal_key(unsigned account, unsigned index) {
    return to_bytes(ByteView(Block::slot_key(account, index)).subspan(1));
  }

  TempDir directory_;
};

TEST_F(Bisect, TheFirstBlockAndItsKeys) {
  for (const std::int64_t parts : {1, 2, 9, 20}) {
    std::filesystem::remove_all(directory_ / "a");
    std::filesystem::remove_all(directory_ / "b");
    commit("a", 25, 1000);
    commit("b", 20, parts);
    const Divergence found = find();
    EXPECT_TRUE(found.parted);
    EXPECT_FALSE(found.older);
    EXPECT_EQ(found.first, 0);
    EXPECT_EQ(found.last, parts);
    EXPECT_EQ(found.same_block, false);
    EXPECT_EQ(found.databases(), std::vector{Database::storage});
    EXPECT_EQ(keys(found), std::vector<Bytes>({internal_key(2, static_cast<unsigned>(parts))}));
  }
}

TEST_F(Bisect, WhereTheBlockDoesNotAccountForItAllRowsAreCompared) {
  commit("a", 12, 1000);
  commit("b", 12, 5);
  Divergence later = find();
  later.last = 8;  // blocks 5 to 8 made the difference, block 8 writes one of the keys
  std::vector<Bytes> wanted;
  for (const unsigned b : {5U, 6U, 7U, 8U}) wanted.push_back(internal_key(2, b));
  EXPECT_EQ(keys(later), wanted);
}

TEST_F(Bisect, LogsThatNeverPart) {
  commit("a", 6, 1000);
  commit("b", 9, 1000);
  const Divergence found = find();
  EXPECT_FALSE(found.parted);
  EXPECT_EQ(found.first, 0);
  EXPECT_EQ(found.last, 6);
  EXPECT_EQ(found.sides[0].log.last, 6);
  EXPECT_EQ(found.sides[1].log.last, 9);
}

TEST_F(Bisect, StoresWithoutABlock) {
  commit("a", 0, 1000);
  commit("b", 0, 1000);
  const Divergence found = find();
  EXPECT_FALSE(found.parted);
  EXPECT_EQ(found.last, 0);
  commit("b", 3, 1000);  // every store begins empty, so nothing was compared
  const auto none = find_divergence(directory_ / "a", directory_ / "b");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::version_mismatch);
}

TEST_F(Bisect, ALogThatIsDamagedBelowTheStoresVersionIsNotTheSame) {
  commit("a", 6, 1000);
  commit("b", 6, 1000);
  const std::string log = directory_ / "a/gen-00000001/changelog/00000000000000000001.log";
  {
    std::fstream file(log, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(200);  // in the header of the first record
    file.put('\x55');
  }
  EXPECT_EQ(must(roots_at(directory_ / "a", std::nullopt)).version, 6);
  const auto found = find_divergence(directory_ / "a", directory_ / "b");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::log_behind) << found.error().to_string();
}

TEST_F(Bisect, NothingInCommon) {
  commit("a", 3, 1000);
  must(CommitStore::create(directory_ / "b", {AccountRows::keep, 10}));
  const auto found = find_divergence(directory_ / "a", directory_ / "b");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::version_mismatch);
}

TEST_F(Bisect, CanBeStopped) {
  commit("a", 3, 1000);
  commit("b", 3, 1000);
  std::stop_source cancel;
  cancel.request_stop();
  BisectOptions options;
  options.stop = cancel.get_token();
  const auto found = find_divergence(directory_ / "a", directory_ / "b", options);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::cancelled);
}

TEST_F(Bisect, TheSearchForKeysCanBeStopped) {
  commit("a", 6, 1000);
  commit("b", 6, 3);
  const auto a = must(ReadOnlyStore::open(directory_ / "a"));
  const auto b = must(ReadOnlyStore::open(directory_ / "b"));
  std::stop_source cancel;
  cancel.request_stop();
  BisectOptions options;
  options.stop = cancel.get_token();
  const auto visit = [](const RowDifference&) -> Status {
    ADD_FAILURE() << "it was stopped before";
    return {};
  };
  const auto rows =
      diverging_rows(a, directory_ / "a", b, directory_ / "b", {Database::storage}, visit, options);
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, ErrorCode::cancelled);
  EXPECT_EQ(rows.error().message, "the search for keys was stopped");
  RangeDifference storage;
  storage.database = Database::storage;
  const auto walk = diff_rows(a.view(), b.view(), storage, visit, cancel.get_token());
  ASSERT_FALSE(walk);
  EXPECT_EQ(walk.error().code, ErrorCode::cancelled);
  EXPECT_EQ(walk.error().message, "the comparison was stopped");
}

/// Logs that begin above the first version, at no snapshot: what came before is not compared, and
/// the result says so.
TEST_F(Bisect, ALogThatBeginsWhereNoSnapshotIs) {
  Options options = quiet_options();
  options.segment_bytes = 2500;  // a few blocks
  options.snapshot.interval = 10;
  options.snapshot.keep = 0;
  for (const char* name : {"a", "b"}) {
    CommitStore store = open_new(directory_ / name, options);
    while (store.version() < 40) {
      const auto b = static_cast<unsigned>(store.version() + 1);
      const bool other = *name == 'b' && b == 39;
      must(Block().slot(1, b, other ? 8 : 7).commit(store));
      must(store.wait_durable(store.version()));
    }
    must(store.close());
  }
  const auto range = must(LogReader::open(directory_ / "a", std::nullopt, false)).range();
  ASSERT_GT(range.base, 0);
  const auto base = roots_at(directory_ / "a", range.base);
  ASSERT_FALSE(base);
  EXPECT_EQ(base.error().code, ErrorCode::version_mismatch);
  const Divergence found = find();
  EXPECT_TRUE(found.parted);
  EXPECT_EQ(found.first, range.base + 1);
  EXPECT_EQ(found.last, 39);
}

}  // namespace
}  // namespace flatkv::compare

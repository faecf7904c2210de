// SPDX-License-Identifier: Apache-2.0
#include <fstream>
#include <thread>

#include "base/failpoint.hpp"
#include "flatkv/tools/rollback.hpp"
#include "history/test_support.hpp"
#include "inspect/read_only_store.hpp"

namespace flatkv::test {
namespace {

namespace stdfs = std::filesystem;

std::vector<std::string> clones(const std::string& directory) {
  std::vector<std::string> found;
  for (const auto& entry : stdfs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("readonly-")) found.push_back(name);
  }
  return found;
}

ReadOnlyOptions at(std::int64_t version) {
  ReadOnlyOptions options;
  options.at = version;
  options.block_cache_bytes = 1 << 20;
  options.threads = 1;
  return options;
}

void expect_at(const std::string& path, std::int64_t version, const Roots& roots) {
  const ReadOnlyStore store = must(ReadOnlyStore::open(path, at(version)));
  EXPECT_EQ(store.version(), version);
  EXPECT_EQ(store.roots(), roots) << version;
  EXPECT_EQ(store.view().version(), version);
  const VerifyReport report = must(store.verify());
  EXPECT_TRUE(report.good()) << version;
  EXPECT_EQ(report.roots, roots);
}

TEST(ReadOnly, EveryVersionBesideAWriter) {
  TempDir dir;
  const std::string path = dir / "s";
  Options options = small_options();
  options.snapshot.keep = 5;
  CommitStore store = open_new(path, options);
  auto roots = commit_to(store, 10);
  must(store.snapshot());
  roots.merge(commit_to(store, 20));
  must(store.snapshot());
  roots.merge(commit_to(store, 30));
  const std::string before = tree_digest(path);
  for (const std::int64_t version : {1, 9, 10, 11, 19, 20, 21, 30}) {
    expect_at(path, version, roots.at(version));
  }
  EXPECT_EQ(must(ReadOnlyStore::open(path)).version(), 30);
  EXPECT_EQ(must(ReadOnlyStore::open(path, at(0))).view().stats(Database::storage).rows, 0U);
  EXPECT_EQ(tree_digest(path), before);
  for (const std::int64_t version : {-1, 31}) {
    const auto none = ReadOnlyStore::open(path, at(version));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::version_mismatch);
    EXPECT_NE(none.error().message.find("0 to 30"), std::string::npos) << none.error().message;
  }
  EXPECT_TRUE(clones(path).empty());
  commit_to(store, 31);
  expect_verified(store);
}

TEST(ReadOnly, TheWorkingCopyWhereNobodyHasTheStore) {
  TempDir dir;
  const std::string path = dir / "s";
  std::map<std::int64_t, Roots> roots;
  {
    CommitStore store = open_new(path, small_options());
    roots = commit_to(store, 20);
    must(store.close());
  }
  // Without any snapshot only the working copy can serve.
  stdfs::remove_all(live_generation(path) + "/snapshot-00000000000000000000");
  const std::string before = tree_digest(path);
  expect_at(path, 20, roots.at(20));
  EXPECT_EQ(must(ReadOnlyStore::open(path)).roots(), roots.at(20));
  const auto older = ReadOnlyStore::open(path, at(19));  // the databases are above it
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().code, ErrorCode::version_mismatch);
  EXPECT_EQ(tree_digest(path), before);
}

// docs/hazards.md#uneven-after-kill
TEST(ReadOnly, AfterAKillTheDatabasesMayBeAnywhere) {
  TempDir dir;
  const std::string path = dir / "s";
  std::map<std::int64_t, Roots> roots;
  {
    CommitStore store = open_new(path, small_options());
    roots = commit_to(store, 10);
    must(store.flush());
    stdfs::copy(path, dir / "old", stdfs::copy_options::recursive);
    roots.merge(commit_to(store, 20));
    must(store.close());
  }
  const std::string storage = live_generation(path) + "/working/storage";
  stdfs::remove_all(storage);
  stdfs::copy(live_generation(dir / "old") + "/working/storage", storage);
  stdfs::remove(live_generation(path) + "/CLEAN");
  for (const std::int64_t version : {5, 10, 15, 20}) expect_at(path, version, roots.at(version));
}

TEST(ReadOnly, AViewKeepsTheCloneAndItsEndRemovesIt) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, small_options());
  const auto roots = commit_to(store, 7);
  std::optional<ReadView> view;
  {
    const ReadOnlyStore clone = must(ReadOnlyStore::open(path, at(5)));
    view = clone.view();
  }
  ASSERT_EQ(clones(path).size(), 1U);
  EXPECT_EQ(view->roots(), roots.at(5));
  EXPECT_TRUE(must(view->get(Block::slot_key(5, 5))).has_value());
  view.reset();
  EXPECT_TRUE(clones(path).empty());
}

TEST(ReadOnly, OrphansGoAtTheNextWritableOpenAndClonesInUseStay) {
  TempDir dir;
  const std::string path = dir / "s";
  {
    CommitStore store = open_new(path, small_options());
    commit_to(store, 3);
  }
  const ReadOnlyStore used = must(ReadOnlyStore::open(path));
  stdfs::create_directories(path + "/readonly-1-abc/working");
  stdfs::create_directories(path + "/readonly-1-def-tmp");
  const CommitStore store = must(CommitStore::open(path, small_options()));
  EXPECT_EQ(clones(path).size(), 1U);
  EXPECT_TRUE(must(used.verify()).good());
}

// docs/hazards.md#reader-repairs-the-log
TEST(ReadOnly, AnUnfinishedLastRecordIsLeftAsItIs) {
  TempDir dir;
  const std::string path = dir / "s";
  std::map<std::int64_t, Roots> roots;
  Options options = small_options();
  options.segment_bytes = 1 << 20;
  {
    CommitStore store = open_new(path, options);
    roots = commit_to(store, 10);
    must(store.flush());
    stdfs::copy(path, dir / "killed", stdfs::copy_options::recursive);
    roots.merge(commit_to(store, 12));
    stdfs::copy(segments(path).back(), segments(dir / "killed").back(),
                stdfs::copy_options::overwrite_existing);
  }
  const std::string killed = dir / "killed";
  const std::string last = segments(killed).back();
  stdfs::resize_file(last, stdfs::file_size(last) - 1);
  const std::string before = tree_digest(killed);
  expect_at(killed, 10, roots.at(10));
  EXPECT_EQ(must(ReadOnlyStore::open(killed)).version(), 11);
  EXPECT_EQ(tree_digest(killed), before);
}

TEST(ReadOnly, AStoreThatDoesNotOpenStillShowsItsPast) {
  TempDir dir;
  const std::string path = dir / "s";
  std::map<std::int64_t, Roots> roots;
  {
    CommitStore store = open_new(path, small_options());
    roots = commit_to(store, 10);
    must(store.snapshot());
    roots.merge(commit_to(store, 20));
    must(store.close());
  }
  stdfs::remove(segments(path).back());
  const std::string metadata = live_generation(path) + "/working/metadata";
  stdfs::remove_all(metadata);
  stdfs::copy(live_generation(path) + "/snapshot-00000000000000000010/metadata", metadata);
  ASSERT_EQ(CommitStore::open(path, small_options()).error().code, ErrorCode::log_behind);
  const auto newest = ReadOnlyStore::open(path);
  ASSERT_FALSE(newest);
  EXPECT_EQ(newest.error().code, ErrorCode::log_behind);
  expect_at(path, 12, roots.at(12));
  const auto lost = ReadOnlyStore::open(path, at(20));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::version_mismatch);
}

TEST(ReadOnly, WhatIf) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, small_options());
  commit_to(store, 4);
  ReadOnlyStore clone = must(ReadOnlyStore::open(path));
  EXPECT_EQ(clone.working_roots().value(), clone.roots());
  const Bytes key = Block::slot_key(1, 1);
  const Bytes value = Block::word(77);
  const std::vector<KVPair> pairs = {{key, value, false}};
  const NamedChangeSet set{kEvmModule, pairs};
  must(clone.apply({&set, 1}));
  const Roots would_be = clone.working_roots().value();
  clone.discard();
  EXPECT_EQ(clone.working_roots().value(), clone.roots());
  must(store.apply({&set, 1}));
  EXPECT_EQ(must(store.commit(5)), would_be);
  EXPECT_EQ(clone.version(), 4);
}

TEST(ReadOnly, AReplayLargerThanItsBufferFlushesIntoTheClone) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, small_options());
  const auto roots = commit_to(store, 200);
  ReadOnlyOptions options = at(200);
  options.write_buffer_bytes = 1;
  const ReadOnlyStore clone = must(ReadOnlyStore::open(path, options));
  EXPECT_EQ(clone.roots(), roots.at(200));
  EXPECT_TRUE(must(clone.verify()).good());
}

TEST(ReadOnly, Scratch) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, small_options());
  commit_to(store, 4);
  stdfs::create_directory(dir / "elsewhere");
  ReadOnlyOptions options;
  options.scratch = dir / "elsewhere";
  {
    const ReadOnlyStore clone = must(ReadOnlyStore::open(path, options));
    EXPECT_EQ(clones(options.scratch).size(), 1U);
    EXPECT_TRUE(clones(path).empty());
  }
  EXPECT_TRUE(clones(options.scratch).empty());
  stdfs::create_directories(options.scratch + "/readonly-1-dead/working");
  stdfs::create_directories(options.scratch + "/readonly-1-beef-tmp");
  stdfs::create_directories(options.scratch + "/readonly-notes");
  const auto used = fs::posix().lock_directory(options.scratch + "/readonly-1-beef-tmp");
  ASSERT_TRUE(used);
  must(ReadOnlyStore::open(path, options));
  EXPECT_FALSE(stdfs::exists(options.scratch + "/readonly-1-dead"));
  EXPECT_TRUE(stdfs::exists(options.scratch + "/readonly-1-beef-tmp"));
  EXPECT_TRUE(stdfs::exists(options.scratch + "/readonly-notes"));
  options.scratch = dir / "nowhere";
  EXPECT_FALSE(ReadOnlyStore::open(path, options));
}

/// Commits so many rows that the table has more data blocks than the first, which holds LocalMeta.
void commit_many(CommitStore& store) {
  Block block;
  for (unsigned i = 0; i < 3000; ++i) block.slot(9, i, i * 7);
  must(block.commit(store));
}

/// Flips a byte among the rows of the tables in a database's directory.
void damage_table(const std::string& database) {
  for (const auto& entry : stdfs::directory_iterator(database)) {
    if (entry.path().extension() != ".sst") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(8000);
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(8000);
    file.put(byte);
  }
}

/// The error of a full scan of the unreadable storage database.
Error storage_error(const ReadOnlyStore& clone) {
  const VerifyReport report = must(clone.verify());
  for (const DatabaseVerdict& verdict : report.databases) {
    EXPECT_EQ(verdict.good(), verdict.database != Database::storage);
    if (verdict.error) return *verdict.error;
  }
  ADD_FAILURE() << "every database could be read";
  return {};
}

void expect_named(const Error& error, const std::string& database) {
  EXPECT_EQ(error.code, ErrorCode::corruption) << error.to_string();
  EXPECT_EQ(error.path, database);
  EXPECT_EQ(error.to_string().find("readonly-"), std::string::npos) << error.to_string();
}

TEST(ReadOnly, ErrorsNameTheStoreAndNotTheClone) {
  TempDir dir;
  const std::string path = dir / "s";
  {
    CommitStore store = open_new(path, small_options());
    commit_many(store);
    must(store.close());
  }
  const std::string working = live_generation(path) + "/working/storage";
  damage_table(working);
  const ReadOnlyStore clone = must(ReadOnlyStore::open(path));
  expect_named(storage_error(clone), working);
  const ReadView view = clone.view();
  RowIterator rows = must(view.iterate(Database::storage));
  while (rows.valid()) rows.next();
  ASSERT_FALSE(rows.status());
  expect_named(rows.status().error(), working);
}

TEST(ReadOnly, ErrorsNameTheSnapshotThatWasCloned) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, small_options());
  commit_many(store);
  must(store.snapshot());
  const std::string storage = live_generation(path) + "/snapshot-00000000000000000001/storage";
  damage_table(storage);
  const ReadOnlyStore clone = must(ReadOnlyStore::open(path, at(1)));
  expect_named(storage_error(clone), storage);
}

#ifdef FLATKV_FAILPOINTS

class ReadOnlyRaces : public ::testing::Test {
 protected:
  ~ReadOnlyRaces() override { failpoint::disarm_all(); }

  /// Runs `action` on the writer's side while a reader stands at `site`.
  static void meanwhile(const std::string& site, std::function<void()> action) {
    failpoint::arm(site, [action = std::move(action)] {
      failpoint::disarm_all();
      action();
      return Status{};
    });
  }

  static Options options() {
    Options options = small_options();
    options.snapshot.keep = 0;
    return options;
  }

  TempDir dir_;
  std::string path_ = dir_ / "s";
};

TEST_F(ReadOnlyRaces, TheSnapshotIsPrunedBetweenChoiceAndLinks) {
  CommitStore store = open_new(path_, options());
  auto roots = commit_to(store, 20);
  meanwhile("history.clone.chosen", [&] {
    must(store.snapshot());  // prunes the one at 0, and segments
    roots.merge(commit_to(store, 25));
  });
  const ReadOnlyStore clone = must(ReadOnlyStore::open(path_));
  EXPECT_EQ(clone.version(), 25);
  EXPECT_EQ(clone.roots(), roots.at(25));
  EXPECT_TRUE(must(clone.verify()).good());
}

TEST_F(ReadOnlyRaces, SegmentsArePrunedAfterTheyWereOpened) {
  CommitStore store = open_new(path_, options());
  auto roots = commit_to(store, 20);
  meanwhile("history.clone.linked", [&] { must(store.snapshot()); });
  const auto clone = ReadOnlyStore::open(path_, at(20));
  EXPECT_EQ(must(ReadOnlyStore::open(path_, at(20))).roots(), roots.at(20));
  ASSERT_TRUE(clone);
  EXPECT_EQ(clone->roots(), roots.at(20));
}

TEST_F(ReadOnlyRaces, BlocksAreUndoneMeanwhile) {
  for (const char* site :
       {"history.clone.chosen", "history.clone.linked", "history.clone.replayed"}) {
    std::filesystem::remove_all(path_);
    Options given = options();
    given.rollback_depth = 16;
    CommitStore store = open_new(path_, given);
    auto roots = commit_to(store, 8);
    must(store.snapshot());
    roots.merge(commit_to(store, 20));
    std::map<std::int64_t, Roots> other;
    meanwhile(site, [&] {
      must(store.rollback(12));
      other = commit_to(store, 20, 500);
    });
    const ReadOnlyStore clone = must(ReadOnlyStore::open(path_, at(20)));
    EXPECT_EQ(clone.roots(), other.at(20)) << site;
    EXPECT_EQ(must(ReadOnlyStore::open(path_, at(20))).roots(), other.at(20));
    EXPECT_EQ(must(ReadOnlyStore::open(path_, at(12))).roots(), roots.at(12));
  }
}

TEST_F(ReadOnlyRaces, TheNewestBlocksAreUndoneMeanwhile) {
  Options given = options();
  given.rollback_depth = 16;
  CommitStore store = open_new(path_, given);
  const auto roots = commit_to(store, 20);
  meanwhile("history.clone.replayed", [&] { must(store.rollback(12)); });
  const ReadOnlyStore clone = must(ReadOnlyStore::open(path_));
  EXPECT_EQ(clone.version(), 12);
  EXPECT_EQ(clone.roots(), roots.at(12));
}

TEST_F(ReadOnlyRaces, TheGenerationIsReplacedMeanwhile) {
  CommitStore store = open_new(path_, options());
  auto roots = commit_to(store, 20);
  std::map<std::int64_t, Roots> other;
  meanwhile("history.clone.linked", [&] {
    must(store.rollback(12));
    other = commit_to(store, 20, 500);
  });
  const ReadOnlyStore clone = must(ReadOnlyStore::open(path_, at(20)));
  EXPECT_EQ(clone.roots(), other.at(20));
  EXPECT_NE(clone.roots(), roots.at(20));
}

TEST_F(ReadOnlyRaces, AWriterThatNeverStandsStillIsRefusedAfterThreeLooks) {
  CommitStore store = open_new(path_, options());
  commit_to(store, 20);
  unsigned looks = 0;
  failpoint::arm(
      "history.clone.linked",
      [&] {
        ++looks;
        must(store.rollback(store.version() - 1));
        return Status{};
      },
      1, 0);
  const auto clone = ReadOnlyStore::open(path_, at(10));
  EXPECT_FALSE(clone);
  EXPECT_EQ(looks, 3U);
  failpoint::disarm_all();
  EXPECT_TRUE(clones(path_).empty());
}

TEST_F(ReadOnlyRaces, AFailureAnywhereLeavesNoClone) {
  CommitStore store = open_new(path_, options());
  const auto roots = commit_to(store, 20);
  for (const char* site : {"history.clone.made", "history.clone.locked", "history.clone.chosen",
                           "history.clone.linked", "open.database_opened", "replay.checked"}) {
    failpoint::arm(site, [] { return Status(fail(ErrorCode::io, "injected failure")); });
    const auto clone = ReadOnlyStore::open(path_, at(15));
    ASSERT_FALSE(clone) << site;
    EXPECT_EQ(clone.error().code, ErrorCode::io) << site;
    EXPECT_TRUE(clones(path_).empty()) << site;
    failpoint::disarm_all();
  }
  expect_at(path_, 15, roots.at(15));
}

#endif

}  // namespace
}  // namespace flatkv::test

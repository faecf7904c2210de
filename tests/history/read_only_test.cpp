// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include "flatkv/tools/report.hpp"
#include "history/read_only_support.hpp"
#include "inspect/read_only_store.hpp"
#include "layout/test_support.hpp"
#include "support/tamper.hpp"

namespace flatkv::test {
namespace {

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
  const auto roots = make_closed(path, 20);
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

/// Nobody has the store and its metadata database is missing: the clone gets one, the store none.
TEST(ReadOnly, WithoutAMetadataDatabase) {
  TempDir dir;
  const std::string path = dir / "s";
  const auto roots = make_closed(path, 20);
  stdfs::remove_all(live_generation(path) + "/working/metadata");
  const std::string before = tree_digest(path);
  expect_at(path, 20, roots.at(20));
  EXPECT_FALSE(must(ReadOnlyStore::open(path)).working_copy_problem());
  EXPECT_EQ(tree_digest(path), before);
}

/// The working copy is older than the log; what is read comes from the snapshot, and that is said.
TEST(ReadOnly, AWorkingCopyFromBeforeTheLog) {
  TempDir dir;
  const std::string path = dir / "s";
  Options options = small_options();
  options.snapshot.keep = 0;
  std::map<std::int64_t, Roots> roots;
  {
    CommitStore store = open_new(path, options);
    roots = commit_to(store, 10);
    must(store.flush());
    stdfs::copy(path, dir / "old", stdfs::copy_options::recursive);
    roots.merge(commit_to(store, 40));
    must(store.snapshot());
    roots.merge(commit_to(store, 44));
    must(store.close());
  }
  const std::string working = live_generation(path) + "/working";
  stdfs::remove_all(working);
  stdfs::copy(live_generation(dir / "old") + "/working", working, stdfs::copy_options::recursive);
  stdfs::remove(live_generation(path) + "/CLEAN");
  const ReadOnlyStore clone = must(ReadOnlyStore::open(path));
  EXPECT_EQ(clone.roots(), roots.at(44));
  ASSERT_TRUE(clone.working_copy_problem());
  EXPECT_EQ(clone.working_copy_problem()->code, ErrorCode::log_gap);
  EXPECT_EQ(clone.working_copy_problem()->path, working);
}

TEST(ReadOnly, WithoutASnapshotThereIsNothingToReadBesideAWriter) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, small_options());
  commit_to(store, 5);
  stdfs::remove_all(live_generation(path) + "/snapshot-00000000000000000000");
  const auto clone = ReadOnlyStore::open(path);
  ASSERT_FALSE(clone);
  EXPECT_EQ(clone.error().code, ErrorCode::corruption);
  EXPECT_TRUE(clone.error().message.starts_with("no valid snapshot to read from"));
  EXPECT_EQ(clone.error().path, live_generation(path));
  const auto older = ReadOnlyStore::open(path, at(3));
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().code, ErrorCode::version_mismatch);
  EXPECT_NE(older.error().message.find("reach none"), std::string::npos);
  EXPECT_TRUE(clones(path).empty());
}

TEST(ReadOnly, TakesTheModeAndThePlaceOfAnother) {
  TempDir dir;
  Options options = small_options();
  CommitStore keeping = open_new(dir / "keeping", options);
  const auto roots = commit_to(keeping, 4);
  options.create.account_rows = AccountRows::prune_empty;
  const CommitStore pruning = open_new(dir / "pruning", options);
  ReadOnlyStore clone = must(ReadOnlyStore::open(dir / "pruning"));
  EXPECT_EQ(clone.account_rows(), AccountRows::prune_empty);
  clone = must(ReadOnlyStore::open(dir / "keeping"));
  EXPECT_EQ(clone.account_rows(), AccountRows::keep);
  EXPECT_EQ(clone.roots(), roots.at(4));
  EXPECT_TRUE(clones(dir / "pruning").empty()) << "the clone that was replaced is gone";
}

/// A reader's clone that cannot be removed stands in nobody's way.
TEST(ReadOnly, AnOrphanThatStays) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, small_options());
  const auto roots = commit_to(store, 4);
  stdfs::create_directories(path + "/readonly-1-dead/working");
  layout::WatchedFiles files;
  files.before = [](std::size_t, const layout::WatchedFiles::Operation& one) -> Status {
    if (one.path.find("readonly-1-dead") == std::string::npos) return {};
    return fail(ErrorCode::io, "stuck").path(one.path);
  };
  state::Environment environment;
  environment.files = &files;
  ReadOnlyOptions options = at(4);
  std::string said;
  options.log = [&](LogLevel, std::string_view line) { said += std::string(line) + "\n"; };
  EXPECT_EQ(must(inspect::open_read_only(environment, path, options)).roots(), roots.at(4));
  EXPECT_NE(said.find("a dead reader's clone could not be removed: readonly-1-dead"),
            std::string::npos)
      << said;
  EXPECT_TRUE(stdfs::exists(path + "/readonly-1-dead"));
}

TEST(Contracts, AWalkThatIsStoppedAndARowThatIsNone) {
  TempDir dir;
  const std::string path = dir / "s";
  make_closed(path, 10);
  {
    const ReadOnlyStore clone = must(ReadOnlyStore::open(path));
    EXPECT_EQ(must(largest_contracts(clone.view())).count, 7U);
    std::stop_source stop;
    stop.request_stop();
    const auto stopped = largest_contracts(clone.view(), {.stop = stop.get_token()});
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, ErrorCode::cancelled);
  }
  tamper(live_generation(path) + "/working/storage", {{row_key(Bytes(19, 0xff)), Bytes(32, 1)}});
  const ReadOnlyStore clone = must(ReadOnlyStore::open(path));
  const auto bad = largest_contracts(clone.view());
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::corruption);
  EXPECT_EQ(bad.error().message, "a storage key of 19 bytes");
  EXPECT_EQ(bad.error().database, Database::storage);
  EXPECT_EQ(bad.error().version, 10);
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

}  // namespace
}  // namespace flatkv::test

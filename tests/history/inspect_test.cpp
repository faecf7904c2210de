// SPDX-License-Identifier: Apache-2.0
#include "flatkv/tools/inspect.hpp"

#include <unistd.h>

#include <fstream>

#include "flatkv/tools/rollback.hpp"
#include "history/test_support.hpp"

namespace flatkv::test {
namespace {

namespace stdfs = std::filesystem;

bool mentions(const std::vector<std::string>& remedies, const std::string& what) {
  return std::ranges::any_of(
      remedies, [&](const std::string& one) { return one.find(what) != std::string::npos; });
}

/// 20 blocks, a snapshot at 12, closed.
std::map<std::int64_t, Roots> make_store(const std::string& path) {
  CommitStore store = open_new(path, small_options());
  auto roots = commit_to(store, 12);
  must(store.snapshot());
  roots.merge(commit_to(store, 20));
  must(store.close());
  return roots;
}

/// Open refuses the store; inspect explains it and leaves every file unchanged.
StoreInfo expect_explained(const std::string& path, ErrorCode code) {
  const std::string before = tree_digest(path);
  const auto opened = CommitStore::open(path, small_options());
  EXPECT_FALSE(opened);
  if (!opened) {
    EXPECT_EQ(opened.error().code, code) << opened.error().to_string();
  }
  StoreInfo info = must(inspect_store(path));
  EXPECT_EQ(tree_digest(path), before);
  EXPECT_EQ(info.problems.size(), 1U);
  if (!info.problems.empty()) {
    EXPECT_EQ(info.problems[0].code, code) << info.problems[0].to_string();
  }
  return info;
}

TEST(Inspect, AClosedStore) {
  TempDir dir;
  const std::string path = dir / "s";
  const auto roots = make_store(path);
  const std::string before = tree_digest(path);
  const StoreInfo info = must(inspect_store(path));
  EXPECT_EQ(tree_digest(path), before);
  EXPECT_TRUE(info.problems.empty());
  EXPECT_TRUE(info.clean);
  EXPECT_FALSE(info.locked);
  EXPECT_EQ(info.version, 20);
  EXPECT_EQ(info.roots, roots.at(20));
  EXPECT_EQ(info.format, 1U);
  EXPECT_EQ(info.store_id.size(), 32U);
  ASSERT_TRUE(info.log);
  EXPECT_EQ(info.log->last, 20);
  ASSERT_EQ(info.databases.size(), 5U);
  EXPECT_EQ(info.databases[2].version, 20);
  EXPECT_GT(info.databases[2].stats.rows, 10U);
  EXPECT_GT(info.databases[2].bytes, 500U);
  EXPECT_EQ(info.databases[4].version, 20);
  ASSERT_EQ(info.snapshots.size(), 2U);
  EXPECT_EQ(info.snapshots[1].version, 12);
  EXPECT_EQ(info.snapshots[1].roots, roots.at(12));
  EXPECT_GT(info.snapshots[1].bytes, 500U);
}

TEST(Inspect, BesideAWriter) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, small_options());
  auto roots = commit_to(store, 12);
  must(store.snapshot());
  roots.merge(commit_to(store, 20));
  const StoreInfo info = must(inspect_store(path));
  EXPECT_TRUE(info.locked);
  EXPECT_TRUE(info.databases_from_snapshot);
  EXPECT_FALSE(info.clean);
  EXPECT_EQ(info.version, 20);
  EXPECT_EQ(info.roots, roots.at(20));
  EXPECT_EQ(info.databases.at(2).version, 12);
  EXPECT_TRUE(info.problems.empty());
  commit_to(store, 21);
}

TEST(Inspect, ALogDamagedBelowTheDatabasesIsAProblemOfTheHistoryOnly) {
  TempDir dir;
  const std::string path = dir / "s";
  const auto roots = make_store(path);
  EXPECT_FALSE(must(inspect_store(path)).log_problem);
  const std::string first = segments(path).front();
  {
    std::fstream file(first, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(200);  // in the header of the first record
    file.put('\x55');
  }
  const StoreInfo info = must(inspect_store(path));
  EXPECT_TRUE(info.problems.empty());
  EXPECT_TRUE(info.clean);
  EXPECT_EQ(info.version, 20);
  EXPECT_EQ(info.roots, roots.at(20));
  ASSERT_TRUE(info.log_problem);
  EXPECT_EQ(info.log_problem->code, ErrorCode::corruption);
  EXPECT_EQ(info.log_problem->path, first);
  EXPECT_EQ(info.log_problem->version, 1);
  EXPECT_EQ(info.log_problem->offset, 104U);
  // The segments above are whole.
  EXPECT_TRUE(info.log_problem->message.ends_with(" to 20")) << info.log_problem->message;
}

TEST(Inspect, WhatCanBeReachedIsNotAllThatTheLogHolds) {
  TempDir dir;
  const std::string path = dir / "s";
  Options options = small_options();
  options.segment_bytes = 1U << 20;  // one segment, which keeps records that would be pruned
  options.snapshot.keep = 0;
  const std::vector<VersionRange> expected = {{12, 20}};
  {
    CommitStore store = open_new(path, options);
    commit_to(store, 12);
    must(store.snapshot());
    commit_to(store, 20);
    EXPECT_EQ(must(inspect_store(path)).reachable, expected);
    must(store.close());
  }
  const StoreInfo info = must(inspect_store(path));
  ASSERT_TRUE(info.log);
  EXPECT_EQ(info.log->base, 0);
  EXPECT_EQ(info.reachable, expected);
  ReadOnlyOptions at;
  at.at = 11;
  EXPECT_FALSE(ReadOnlyStore::open(path, at));
  at.at = 12;
  EXPECT_EQ(must(ReadOnlyStore::open(path, at)).version(), 12);
}

TEST(Inspect, TheHolderIsToldOnlyWhileItHolds) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, small_options());
  const StoreInfo held = must(inspect_store(path));
  ASSERT_TRUE(held.holder);
  EXPECT_EQ(held.holder->pid, ::getpid());
  EXPECT_FALSE(held.holder->host.empty());
  EXPECT_TRUE(held.holder->since.ends_with("Z"));
  must(store.close());
  ASSERT_TRUE(stdfs::exists(path + "/LOCK"));
  EXPECT_FALSE(must(inspect_store(path)).holder);
}

TEST(Inspect, ALockFileThatIsNoneTellsOfNobody) {
  TempDir dir;
  const std::string path = dir / "s";
  const CommitStore store = open_new(path, small_options());
  for (const char* text : {"", "pid\n", "pid x\n", "pid 12 3\n", "pid -4\n", "host a\n"}) {
    std::ofstream(path + "/LOCK", std::ios::trunc) << text;
    const StoreInfo info = must(inspect_store(path));
    EXPECT_TRUE(info.locked);
    EXPECT_FALSE(info.holder) << text;
  }
}

TEST(Inspect, BytesOnDiskCountAFileWithSeveralLinksOnce) {
  TempDir dir;
  const std::string path = dir / "s";
  make_store(path);
  const std::uint64_t before = must(inspect_store(path)).bytes;
  EXPECT_GT(before, 10'000U);
  stdfs::create_hard_link(segments(path).front(), path + "/again");
  EXPECT_EQ(must(inspect_store(path)).bytes, before);
  std::ofstream(path + "/more") << std::string(1000, 'x');
  EXPECT_EQ(must(inspect_store(path)).bytes, before + 1000);
}

TEST(Inspect, ANewStoreAndOneThatWentBackAreClean) {
  TempDir dir;
  const std::string path = dir / "s";
  must(CommitStore::create(path));
  EXPECT_TRUE(must(inspect_store(path)).clean);
  stdfs::remove_all(path);
  make_store(path);
  for (const std::int64_t version : {16, 12, 0}) {
    must(rollback(path, version));
    EXPECT_TRUE(must(inspect_store(path)).clean) << version;
    const CommitStore store = must(CommitStore::open(path, small_options()));
    EXPECT_TRUE(store.open_report().clean) << version;
    EXPECT_EQ(store.version(), version);
  }
}

TEST(Inspect, NothingThere) {
  TempDir dir;
  EXPECT_EQ(inspect_store(dir / "s").error().code, ErrorCode::not_found);
  EXPECT_EQ(list_snapshots(dir / "s").error().code, ErrorCode::not_found);
}

TEST(Inspect, LogBehindNamesTheWaysOut) {
  TempDir dir;
  const std::string path = dir / "s";
  make_store(path);
  // Only the first half of the log is left, and the metadata database is older: not only the log is
  // damaged.
  const auto all = segments(path);
  for (std::size_t i = all.size() / 2; i < all.size(); ++i) stdfs::remove(all[i]);
  const std::string metadata = live_generation(path) + "/working/metadata";
  stdfs::remove_all(metadata);
  stdfs::copy(live_generation(path) + "/snapshot-00000000000000000012/metadata", metadata);
  const StoreInfo info = expect_explained(path, ErrorCode::log_behind);
  EXPECT_TRUE(mentions(info.remedies, "rollback " + path + " 12"));
  EXPECT_TRUE(mentions(info.remedies, "rollback " + path + " 0"));
  EXPECT_EQ(info.databases[2].version, 20);
  EXPECT_EQ(info.databases[4].version, 12);
}

// docs/hazards.md#lost-store-created-anew
TEST(Inspect, AMissingManifestNamesItsCopy) {
  TempDir dir;
  const std::string path = dir / "s";
  make_store(path);
  stdfs::remove(live_generation(path) + "/MANIFEST.json");
  const StoreInfo info = expect_explained(path, ErrorCode::corruption);
  EXPECT_TRUE(mentions(info.remedies, "SNAPSHOT"));
}

TEST(Inspect, SeveralGenerationsWithoutCurrent) {
  TempDir dir;
  const std::string path = dir / "s";
  make_store(path);
  stdfs::copy(live_generation(path), path + "/gen-00000007", stdfs::copy_options::recursive);
  stdfs::remove(path + "/CURRENT");
  const StoreInfo info = expect_explained(path, ErrorCode::corruption);
  EXPECT_TRUE(mentions(info.remedies, "gen-00000007"));
}

TEST(Inspect, WhatAnOpenWouldMendIsNoProblem) {
  TempDir dir;
  const std::string path = dir / "s";
  const auto roots = make_store(path);
  stdfs::remove_all(live_generation(path) + "/working/storage");
  const std::string before = tree_digest(path);
  const StoreInfo info = must(inspect_store(path));
  EXPECT_EQ(tree_digest(path), before);
  EXPECT_TRUE(info.problems.empty());
  EXPECT_FALSE(info.notes.empty());
  EXPECT_EQ(info.version, 20);
  EXPECT_EQ(info.roots, roots.at(20));
  EXPECT_TRUE(info.databases.at(2).problem.has_value());
}

TEST(Inspect, AForeignSegment) {
  TempDir dir;
  const std::string path = dir / "s";
  make_store(path);
  make_store(dir / "other");
  stdfs::remove(live_generation(path) + "/CLEAN");
  stdfs::copy(segments(dir / "other").back(), segments(path).back(),
              stdfs::copy_options::overwrite_existing);
  expect_explained(path, ErrorCode::foreign_store);
}

TEST(Snapshots, ABadOneSaysWhy) {
  TempDir dir;
  const std::string path = dir / "s";
  make_store(path);
  stdfs::remove(live_generation(path) + "/snapshot-00000000000000000012/SNAPSHOT");
  const auto snapshots = must(list_snapshots(path));
  ASSERT_EQ(snapshots.size(), 2U);
  EXPECT_FALSE(snapshots[0].problem.has_value());
  EXPECT_TRUE(snapshots[1].problem.has_value());
  EXPECT_FALSE(snapshots[1].roots.has_value());
}

}  // namespace
}  // namespace flatkv::test

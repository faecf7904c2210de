// SPDX-License-Identifier: Apache-2.0
#include "flatkv/tools/inspect.hpp"

#include <unistd.h>

#include <fstream>

#include "base/failpoint.hpp"
#include "flatkv/tools/rollback.hpp"
#include "history/test_support.hpp"
#include "inspect/advice.hpp"
#include "support/tamper.hpp"

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
  damage_at(first, 200);  // in the header of the first record
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

/// A writer has the store, and its log is damaged below the newest snapshot.
TEST(Inspect, ALogDamagedBelowASnapshotBesideAWriter) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, small_options());
  auto roots = commit_to(store, 12);
  must(store.snapshot());
  roots.merge(commit_to(store, 20));
  EXPECT_FALSE(must(inspect_store(path)).log_problem);
  const std::string first = segments(path).front();
  damage_at(first, 200);  // in the header of the first record
  const StoreInfo info = must(inspect_store(path));
  EXPECT_TRUE(info.locked);
  EXPECT_TRUE(info.problems.empty());
  EXPECT_EQ(info.version, 20);
  EXPECT_EQ(info.roots, roots.at(20));
  ASSERT_TRUE(info.log_problem);
  EXPECT_EQ(info.log_problem->code, ErrorCode::corruption);
  EXPECT_EQ(info.log_problem->path, first);
  EXPECT_EQ(info.log_problem->version, 1);
}

TEST(Inspect, ALogThatIsGone) {
  TempDir dir;
  const std::string path = dir / "s";
  const auto roots = make_store(path);
  for (const std::string& segment : segments(path)) stdfs::remove(segment);
  const StoreInfo info = must(inspect_store(path));
  EXPECT_TRUE(info.problems.empty()) << "CLEAN tells that nothing was lost";
  EXPECT_EQ(info.version, 20);
  EXPECT_EQ(info.roots, roots.at(20));
  ASSERT_TRUE(info.log_problem);
  EXPECT_EQ(info.log_problem->code, ErrorCode::log_behind);
  EXPECT_EQ(info.log_problem->message, "there is no changelog");
  EXPECT_EQ(info.log_problem->path, live_generation(path) + "/changelog");
}

/// What looks like damage may be the writer's doing, so it is shown beside the lock; what no writer
/// does is an error.
TEST(Inspect, WhatCannotBeReadBesideAWriter) {
  TempDir dir;
  const std::string path = dir / "s";
  make_store(dir / "other");
  CommitStore store = open_new(path, small_options());
  commit_to(store, 12);
  const std::string last = segments(path).back();
  stdfs::copy(segments(dir / "other").back(), last, stdfs::copy_options::overwrite_existing);
  const auto foreign = inspect_store(path);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, ErrorCode::foreign_store);
  EXPECT_EQ(foreign.error().path, last);
  for (const std::string& segment : segments(path)) stdfs::remove(segment);
  const StoreInfo unclear = must(inspect_store(path));
  EXPECT_TRUE(unclear.locked);
  ASSERT_TRUE(unclear.holder);
  EXPECT_EQ(unclear.holder->pid, ::getpid());
  EXPECT_FALSE(unclear.version);
  ASSERT_EQ(unclear.problems.size(), 1U);
  EXPECT_EQ(unclear.problems[0].code, ErrorCode::corruption);
  EXPECT_EQ(unclear.problems[0].message, "there is no changelog");
  EXPECT_EQ(unclear.problems[0].path, live_generation(path) + "/changelog");
}

TEST(Inspect, WhatADatabaseLacks) {
  TempDir dir;
  const std::string path = dir / "s";
  make_store(path);
  const std::string working = live_generation(path) + "/working";
  const auto rows = must(inspect_store(path)).databases.at(2).stats;
  tamper(working + "/storage", {{meta_key("stats"), std::nullopt}});
  tamper(working + "/code", {{meta_key("local"), std::nullopt}});
  tamper(working + "/metadata", {{meta_key("_meta/version"), std::nullopt}});
  const std::vector<StoreInfo::DatabaseInfo> found = must(inspect_store(path)).databases;
  EXPECT_FALSE(found.at(0).problem);
  ASSERT_TRUE(found.at(1).problem);
  EXPECT_EQ(found.at(1).problem->code, ErrorCode::corruption);
  EXPECT_EQ(found.at(1).problem->path, working + "/code");
  EXPECT_EQ(found.at(1).problem->database, Database::code);
  EXPECT_NE(found.at(1).problem->message.find("LocalMeta"), std::string::npos);
  EXPECT_FALSE(found.at(2).problem);
  ASSERT_TRUE(found.at(4).problem);
  EXPECT_EQ(found.at(4).problem->code, ErrorCode::corruption);
  EXPECT_EQ(found.at(4).problem->path, working + "/metadata");
  EXPECT_NE(found.at(4).problem->message.find("some of its values"), std::string::npos);

  // An open counts the rows again, and so does this.
  stdfs::remove_all(path);
  make_store(path);
  tamper(working + "/storage", {{meta_key("stats"), std::nullopt}});
  const StoreInfo counted = must(inspect_store(path));
  EXPECT_TRUE(counted.problems.empty());
  EXPECT_EQ(counted.databases.at(2).stats, rows);
}

TEST(Inspect, AdviceForWhatTheMachineRefuses) {
  recovery::LiveGeneration place;
  place.store = "/the/store";
  const recovery::RecoveryAnalysis found;
  const std::vector<layout::SnapshotEntry> snapshots;
  const std::map<ErrorCode, std::string> expected = {
      {ErrorCode::permission,
       "run as the owner of /the/store/CURRENT, or give yourself access to it"},
      {ErrorCode::no_space, "free some space on the file system of /the/store, then open it again"},
      {ErrorCode::io,
       "check the disk and the system's log for /the/store/CURRENT, then open the store again"},
      {ErrorCode::locked,
       "check the disk and the system's log for /the/store/CURRENT, then open the store again"},
  };
  for (const auto& [code, step] : expected) {
    const Error problem = fail(code, "refused").path("/the/store/CURRENT").error();
    const auto steps = must(inspect::advice(fs::posix(), {.problem = problem,
                                                          .place = place,
                                                          .found = found,
                                                          .manifest = nullptr,
                                                          .snapshots = snapshots}));
    EXPECT_EQ(steps, std::vector<std::string>{step});
  }
}

#ifdef FLATKV_FAILPOINTS

/// The replay on a clone could not be tried. That is no damage, but it is said.
TEST(Inspect, AReplayThatCouldNotBeTried) {
  TempDir dir;
  const std::string path = dir / "s";
  {
    CommitStore store = open_new(path, small_options());
    commit_to(store, 10);
    stdfs::copy(path, dir / "killed", stdfs::copy_options::recursive);
  }
  EXPECT_TRUE(must(inspect_store(dir / "killed")).notes.empty());
  failpoint::arm("history.clone.made",
                 [] { return Status(fail(ErrorCode::io, "injected failure")); });
  const auto info = inspect_store(dir / "killed");
  failpoint::disarm_all();
  ASSERT_TRUE(info);
  EXPECT_TRUE(info->problems.empty());
  EXPECT_EQ(info->version, 10);
  ASSERT_EQ(info->notes.size(), 1U);
  EXPECT_TRUE(info->notes[0].starts_with("the replay of the log was not tried: io: "))
      << info->notes[0];
  EXPECT_NE(info->notes[0].find("injected failure"), std::string::npos);
}

#endif

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

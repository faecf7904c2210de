// SPDX-License-Identifier: Apache-2.0
#include "recovery/rollback.hpp"

#include "base/failpoint.hpp"
#include "base/internals.hpp"
#include "flatkv/tools/inspect.hpp"
#include "history/test_support.hpp"
#include "read/read_view.hpp"

namespace flatkv::test {
namespace {

namespace stdfs = std::filesystem;

void copy_store(const std::string& from, const std::string& to) {
  stdfs::remove_all(to);
  stdfs::copy(from, to, stdfs::copy_options::recursive);
}

std::vector<std::string> entries(const std::string& directory, const std::string& prefix) {
  std::vector<std::string> found;
  for (const auto& entry : stdfs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix)) found.push_back(name);
  }
  std::ranges::sort(found);
  return found;
}

Options keeping() {
  Options options = small_options();
  options.snapshot.keep = 9;
  return options;
}

/// 30 blocks, snapshots at 0, 10 and 20, closed.
std::map<std::int64_t, Roots> make_store(const std::string& path) {
  CommitStore store = open_new(path, keeping());
  auto roots = commit_to(store, 10);
  must(store.snapshot());
  roots.merge(commit_to(store, 20));
  must(store.snapshot());
  roots.merge(commit_to(store, 30));
  must(store.close());
  return roots;
}

void expect_refused(const std::string& path, std::int64_t version, const std::string& range) {
  const std::string before = tree_digest(path);
  const Status done = rollback(path, version);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::version_mismatch) << done.error().to_string();
  EXPECT_NE(done.error().message.find(range), std::string::npos) << done.error().message;
  EXPECT_EQ(tree_digest(path), before);
}

TEST(Rollback, ToEveryKindOfVersionAndOnFromThere) {
  TempDir dir;
  const std::string original = dir / "original";
  const auto roots = make_store(original);
  const std::string path = dir / "s";
  for (const std::int64_t version : {29, 21, 20, 19, 10, 3, 0}) {
    SCOPED_TRACE(version);
    copy_store(original, path);
    must(rollback(path, version));
    EXPECT_EQ(entries(path, "gen-"), std::vector<std::string>{"gen-00000002"});
    const RootsAt now = must(roots_at(path, std::nullopt));
    EXPECT_EQ(now.version, version);
    if (version > 0) {
      EXPECT_EQ(now.roots, roots.at(version));
    }
    for (const SnapshotInfo& snapshot : must(list_snapshots(path))) {
      EXPECT_LE(snapshot.version, version) << "a snapshot above the target is left";
      EXPECT_FALSE(snapshot.problem);
    }
    std::map<std::int64_t, Roots> other;
    {
      CommitStore store = must(CommitStore::open(path, keeping()));
      EXPECT_EQ(store.version(), version);
      EXPECT_EQ(store.open_report().replayed_blocks, 0) << "the copy was at the version";
      expect_verified(store);
      other = commit_to(store, version + 15, 1000);
      expect_verified(store);
    }
    // The next open must replay the new branch (docs/hazards.md#abandoned-branch).
    const CommitStore again = must(CommitStore::open(path, keeping()));
    EXPECT_EQ(again.version(), version + 15);
    EXPECT_EQ(again.committed_roots(), other.at(version + 15));
    if (version + 15 <= 30) {
      EXPECT_NE(again.committed_roots(), roots.at(version + 15));
    }
    expect_verified(again);
  }
}

TEST(Rollback, TheSameBlocksGiveTheSameRootsAgain) {
  TempDir dir;
  const auto roots = make_store(dir / "s");
  must(rollback(dir / "s", 13));
  CommitStore store = must(CommitStore::open(dir / "s", keeping()));
  const auto again = commit_to(store, 30);
  for (const auto& [version, line] : again) EXPECT_EQ(line, roots.at(version)) << version;
}

// docs/hazards.md#log-cleared-before-check
TEST(Rollback, WhatCannotBeReachedIsRefusedBeforeAnythingChanges) {
  TempDir dir;
  const std::string path = dir / "s";
  {
    Options options = small_options();
    options.snapshot.keep = 0;
    CommitStore store = open_new(path, options);
    commit_to(store, 20);
    must(store.snapshot());
    commit_to(store, 30);
    must(store.close());
  }
  expect_refused(path, 31, "20 to 30");
  expect_refused(path, 19, "20 to 30");
  expect_refused(path, -5, "20 to 30");
  EXPECT_EQ(rollback(dir / "nothing", 1).error().code, ErrorCode::not_found);
  const CommitStore store = must(CommitStore::open(path, small_options()));
  EXPECT_EQ(rollback(path, 25).error().code, ErrorCode::locked);
  expect_verified(store);
}

TEST(Rollback, CancelledLeavesNothingBehind) {
  TempDir dir;
  const std::string path = dir / "s";
  make_store(path);
  const std::string before = tree_digest(path);
  std::stop_source cancel;
  cancel.request_stop();
  RollbackOptions options;
  options.stop = cancel.get_token();
  EXPECT_EQ(rollback(path, 15, options).error().code, ErrorCode::cancelled);
  EXPECT_EQ(tree_digest(path), before);
  ReadOnlyOptions read;
  read.at = 15;
  read.stop = cancel.get_token();
  EXPECT_EQ(ReadOnlyStore::open(path, read).error().code, ErrorCode::cancelled);
  EXPECT_EQ(tree_digest(path), before);
}

TEST(Rollback, TellsHowFarItIs) {
  TempDir dir;
  const std::string path = dir / "s";
  make_store(path);
  std::vector<std::string> steps;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> replayed;
  RollbackOptions options;
  options.progress = [&](std::string_view what, std::uint64_t done, std::uint64_t total) {
    if (steps.empty() || steps.back() != what) steps.emplace_back(what);
    if (total != 0) replayed.emplace_back(done, total);
  };
  must(rollback(path, 19, options));
  const std::vector<std::string> expected = {"looking for the version", "linking files",
                                             "replaying", "writing", "proving"};
  EXPECT_EQ(steps, expected);
  ASSERT_FALSE(replayed.empty());
  EXPECT_EQ(replayed.back(), std::pair(std::uint64_t{9}, std::uint64_t{9}));
}

TEST(Rollback, ToWhereTheStoreIsChangesNothing) {
  TempDir dir;
  const std::string path = dir / "s";
  make_store(path);
  const std::string before = tree_digest(path);
  must(rollback(path, 30));
  EXPECT_EQ(tree_digest(path), before);
}

TEST(Rollback, OfAStoreThatIsBehindItsDatabases) {
  TempDir dir;
  const std::string path = dir / "s";
  const auto roots = make_store(path);
  stdfs::remove(segments(path).back());
  const std::string metadata = live_generation(path) + "/working/metadata";
  stdfs::remove_all(metadata);
  stdfs::copy(live_generation(path) + "/snapshot-00000000000000000020/metadata", metadata);
  const auto refused = CommitStore::open(path, keeping());
  ASSERT_FALSE(refused);
  ASSERT_EQ(refused.error().code, ErrorCode::log_behind);
  const auto info = must(inspect_store(path));
  ASSERT_TRUE(info.log);
  const std::int64_t reached = info.log->last;
  ASSERT_LT(reached, 30);
  must(rollback(path, reached));  // as the refusal says
  const CommitStore store = must(CommitStore::open(path, keeping()));
  EXPECT_EQ(store.version(), reached);
  EXPECT_EQ(store.committed_roots(), roots.at(reached));
  expect_verified(store);
}

TEST(Rollback, OfAStoreWithoutCurrent) {
  TempDir dir;
  const std::string path = dir / "s";
  const auto roots = make_store(path);
  const std::string old = live_generation(path);
  stdfs::remove(path + "/CURRENT");
#ifdef FLATKV_FAILPOINTS
  // Two complete generations must not lie there without one that is named.
  bool named = false;
  failpoint::arm("rollback.begin", [&]() -> Status {
    named = stdfs::exists(path + "/CURRENT");
    return {};
  });
#endif
  must(rollback(path, 20));
#ifdef FLATKV_FAILPOINTS
  failpoint::disarm_all();
  EXPECT_TRUE(named);
#endif
  EXPECT_NE(live_generation(path), old);
  const CommitStore store = must(CommitStore::open(path, keeping()));
  EXPECT_EQ(store.committed_roots(), roots.at(20));
  expect_verified(store);
}

TEST(Rollback, BelowABadRecord) {
  TempDir dir;
  const std::string path = dir / "s";
  const auto roots = make_store(path);
  // Above the newest snapshot, and needed because the working copy is lost too. (The walk would
  // start above a record below it.)
  const auto all = segments(path);
  const std::string hit = all[all.size() - 2];
  damage_at(hit, 150);
  stdfs::remove_all(live_generation(path) + "/working/account");
  stdfs::remove(live_generation(path) + "/CLEAN");
  EXPECT_EQ(CommitStore::open(path, keeping()).error().code, ErrorCode::corruption);
  const std::string before = tree_digest(path);
  const Status too_high = rollback(path, 30);
  ASSERT_FALSE(too_high);
  EXPECT_EQ(tree_digest(path), before);
  must(rollback(path, 20));
  const CommitStore store = must(CommitStore::open(path, keeping()));
  EXPECT_EQ(store.committed_roots(), roots.at(20));
  expect_verified(store);
}

TEST(Rollback, ToASnapshotThatNoLogLeadsThrough) {
  TempDir dir;
  const std::string path = dir / "s";
  const auto roots = make_store(path);
  stdfs::remove_all(live_generation(path) + "/changelog");
  stdfs::remove_all(live_generation(path) + "/working/code");
  EXPECT_FALSE(CommitStore::open(path, keeping()));
  expect_refused(path, 15, "0, 10, 20");
  must(rollback(path, 10));
  CommitStore store = must(CommitStore::open(path, keeping()));
  EXPECT_EQ(store.version(), 10);
  EXPECT_EQ(store.committed_roots(), roots.at(10));
  expect_verified(store);
  const auto again = commit_to(store, 15);
  EXPECT_EQ(again.at(15), roots.at(15));
  expect_verified(store);
}

TEST(Rollback, ASnapshotThatLostAFileIsNotBuiltOn) {
  TempDir dir;
  const std::string path = dir / "s";
  const auto roots = make_store(path);
  stdfs::remove(live_generation(path) + "/snapshot-00000000000000000020/storage/CURRENT");
  must(rollback(path, 25));  // from the snapshot at 10
  const CommitStore store = must(CommitStore::open(path, keeping()));
  EXPECT_EQ(store.committed_roots(), roots.at(25));
  expect_verified(store);
}

TEST(Rollback, OnAnOpenHandleViewsGoOnReading) {
  TempDir dir;
  const std::string path = dir / "s";
  std::map<std::int64_t, Roots> other;
  {
    CommitStore store = open_new(path, keeping());
    auto roots = commit_to(store, 10);
    must(store.snapshot());
    roots.merge(commit_to(store, 30));
    std::optional<ReadView> view = must(store.view());
    const auto row = must(view->get(Block::slot_key(2, 30)));

    must(store.rollback(15));
    EXPECT_EQ(store.version(), 15);
    EXPECT_EQ(store.committed_roots(), roots.at(15));
    expect_verified(store);
    other = commit_to(store, 40, 3000);
    must(store.snapshot());

    EXPECT_EQ(view->version(), 30);
    EXPECT_EQ(must(view->get(Block::slot_key(2, 30))), row);
    EXPECT_EQ(must(read::verify_state(Internals::impl(*view).state, {}, 1)).roots, roots.at(30));
    EXPECT_TRUE(must(read::verify_state(Internals::impl(*view).state, {}, 1)).good());
    EXPECT_EQ(entries(path, "gen-").size(), 2U);
    view.reset();
    EXPECT_EQ(entries(path, "gen-"), std::vector<std::string>{"gen-00000002"});
    EXPECT_EQ(must(store.log_record(14))->roots, roots.at(14));
    EXPECT_EQ(must(store.log_record(16))->roots, other.at(16));
    must(store.close());
  }
  const CommitStore store = must(CommitStore::open(path, keeping()));
  EXPECT_TRUE(store.open_report().clean);
  EXPECT_EQ(store.committed_roots(), other.at(40));
  expect_verified(store);
}

TEST(Rollback, OnAnOpenHandleRefusalsKeepThePendingBlock) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, keeping());
  const auto roots = commit_to(store, 5);
  Block block;
  must(block.slot(1, 1, 1).apply(store));
  const Roots pending = store.working_roots().value();
  for (const std::int64_t version : {-1, 6}) {
    const Status done = store.rollback(version);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::version_mismatch);
    EXPECT_NE(done.error().message.find("0 to 5"), std::string::npos) << done.error().message;
  }
  EXPECT_EQ(store.working_roots().value(), pending);
  must(store.rollback(5));
  EXPECT_FALSE(store.has_pending());
  EXPECT_EQ(store.working_roots().value(), roots.at(5));
  must(block.apply(store));
  must(store.rollback(4));
  EXPECT_FALSE(store.has_pending());
  EXPECT_EQ(store.committed_roots(), roots.at(4));
  must(store.close());
  EXPECT_EQ(store.rollback(3).error().code, ErrorCode::store_failed);
}

TEST(Rollback, AgainAndAgain) {
  TempDir dir;
  CommitStore store = open_new(dir / "s", keeping());
  std::map<std::int64_t, Roots> roots;
  for (unsigned turn = 0; turn < 5; ++turn) {
    for (const auto& [version, line] : commit_to(store, 12 + turn, turn)) roots[version] = line;
    if (turn == 2) must(store.snapshot());
    must(store.rollback(9 + turn));
    EXPECT_EQ(store.committed_roots(), roots.at(9 + turn));
    expect_verified(store);
  }
}

#ifdef FLATKV_FAILPOINTS

TEST(Rollback, AFailedBuildLeavesTheStoreAsItWas) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, keeping());
  auto roots = commit_to(store, 20);
  failpoint::arm("rollback.proven", [] { return Status(fail(ErrorCode::io, "injected")); });
  EXPECT_EQ(store.rollback(10).error().code, ErrorCode::io);
  failpoint::disarm_all();
  EXPECT_EQ(entries(path, "gen-").size(), 1U);
  roots.merge(commit_to(store, 25));
  expect_verified(store);
  failpoint::arm("layout.swap.before", [] { return Status(fail(ErrorCode::io, "injected")); });
  EXPECT_EQ(store.rollback(10).error().code, ErrorCode::io);
  failpoint::disarm_all();
  EXPECT_EQ(store.commit(26).error().code, ErrorCode::store_failed);
  must(store.view());
}

TEST(Rollback, OneThatCannotBePublishedSaysSo) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, keeping());
  commit_to(store, 20);
  must(store.close());
  for (const char* site : {"generation.before_publish", "layout.publish.before_rename"}) {
    failpoint::arm(site, [] { return Status(fail(ErrorCode::io, "injected")); });
    const Status done = rollback(path, 10);
    failpoint::disarm_all();
    ASSERT_FALSE(done) << site;
    EXPECT_EQ(done.error().code, ErrorCode::io) << site;
    EXPECT_EQ(entries(path, "gen-"), std::vector<std::string>{"gen-00000001"}) << site;
    EXPECT_EQ(must(CommitStore::open(path)).version(), 20) << site;
  }
}

#endif

}  // namespace
}  // namespace flatkv::test

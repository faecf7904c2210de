// SPDX-License-Identifier: Apache-2.0
// Snapshots of another branch, as an older copy finds them when it is restored over a store.
#include <mutex>

#include "flatkv/tools/inspect.hpp"
#include "history/test_support.hpp"
#include "layout/snapshots.hpp"
#include "recovery/rollback.hpp"

namespace flatkv::test {
namespace {

namespace stdfs = std::filesystem;

constexpr unsigned kOtherBranch = 1000;

Options keeping(std::uint32_t keep = 9) {
  Options options = small_options();
  options.snapshot.keep = keep;
  return options;
}

void copy_over(const std::string& from, const std::string& to) {
  stdfs::copy(from, to, stdfs::copy_options::recursive | stdfs::copy_options::overwrite_existing);
}

std::string snapshot_of(const std::string& store, std::int64_t version) {
  return layout::snapshot_path(live_generation(store), version);
}

/// `older` is closed at 10 with snapshots at 0 and 10. `ours` continues from there to 30 with a
/// snapshot at 20. `path` starts as a copy of `older`.
class StraySnapshot : public ::testing::Test {
 protected:
  void SetUp() override {
    {
      CommitStore store = open_new(older_, keeping());
      commit_to(store, 10);
      must(store.snapshot());
      must(store.close());
    }
    copy_over(older_, ours_);
    CommitStore store = must(CommitStore::open(ours_, keeping()));
    commit_to(store, 20);
    must(store.snapshot());
    commit_to(store, 30);
    must(store.close());
    copy_over(older_, path_);
  }

  /// Commits other blocks up to `last` at `path_`, beside which lies the snapshot at 20 of `ours`.
  std::map<std::int64_t, Roots> with_a_stray(std::int64_t last) {
    std::map<std::int64_t, Roots> roots;
    {
      CommitStore store = must(CommitStore::open(path_, keeping()));
      roots = commit_to(store, last, kOtherBranch);
      must(store.close());
    }
    copy_over(snapshot_of(ours_, 20), snapshot_of(path_, 20));
    return roots;
  }
  void unclean() const { stdfs::remove(live_generation(path_) + "/CLEAN"); }

  std::vector<std::int64_t> listed() const {
    std::vector<std::int64_t> versions;
    for (const SnapshotInfo& one : must(list_snapshots(path_))) {
      if (!one.problem) versions.push_back(one.version);
    }
    return versions;
  }
  std::optional<Error> problem_of(std::int64_t version) const {
    for (const SnapshotInfo& one : must(list_snapshots(path_))) {
      if (one.version == version) return one.problem;
    }
    return std::nullopt;
  }
  void expect_at(std::int64_t version, const Roots& roots) const {
    ReadOnlyOptions options;
    options.at = version;
    const ReadOnlyStore store = must(ReadOnlyStore::open(path_, options));
    EXPECT_EQ(store.roots(), roots);
    EXPECT_TRUE(must(store.verify({})).good());
    EXPECT_EQ(must(roots_at(path_, version)).roots, roots);
  }
  LogCallback listening() {
    return [this](LogLevel level, std::string_view text) {
      const std::lock_guard lock(mutex_);
      if (level == LogLevel::warning) said_ += std::string(text) + "\n";
    };
  }

  TempDir dir_;
  const std::string older_ = dir_ / "older";
  const std::string ours_ = dir_ / "ours";
  const std::string path_ = dir_ / "s";
  std::mutex mutex_;
  std::string said_;
};

TEST_F(StraySnapshot, AboveTheLogItIsEvidenceOfALostOneAlsoAfterACleanClose) {
  const Roots before = must(roots_at(path_, std::nullopt)).roots;
  copy_over(snapshot_of(ours_, 20), snapshot_of(path_, 20));
  for (const bool clean : {true, false}) {
    SCOPED_TRACE(clean);
    if (!clean) unclean();
    const std::string tree = tree_digest(path_);
    const auto opened = CommitStore::open(path_, keeping());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::log_behind) << opened.error().to_string();
    EXPECT_EQ(opened.error().version, 20);
    EXPECT_EQ(ReadOnlyStore::open(path_).error().code, ErrorCode::log_behind);
    EXPECT_EQ(roots_at(path_, std::nullopt).error().code, ErrorCode::log_behind);
    const StoreInfo info = must(inspect_store(path_));
    ASSERT_FALSE(info.problems.empty());
    EXPECT_EQ(info.problems.front().code, ErrorCode::log_behind);
    EXPECT_EQ(tree_digest(path_), tree) << "whoever only looks changes nothing";
  }
  // The operator decides in favour of the older copy.
  must(rollback(path_, 10));
  EXPECT_EQ(listed(), (std::vector<std::int64_t>{0, 10}));
  CommitStore store = must(CommitStore::open(path_, keeping()));
  EXPECT_EQ(store.committed_roots(), before);
  const auto roots = commit_to(store, 20, kOtherBranch);
  must(store.close());
  expect_at(20, roots.at(20));
}

TEST_F(StraySnapshot, ARestoreOverTheWholeStoreIsRefusedOrLosesNothing) {
  const RootsAt last = must(roots_at(ours_, std::nullopt));
  copy_over(older_, ours_);
  // Newer segments lie there too: with the older ones they form the whole log, or have a gap.
  const auto opened = CommitStore::open(ours_, keeping());
  if (opened) {
    EXPECT_EQ(opened->version(), last.version);
    EXPECT_EQ(opened->committed_roots(), last.roots);
    return;
  }
  EXPECT_TRUE(opened.error().code == ErrorCode::log_behind ||
              opened.error().code == ErrorCode::corruption)
      << opened.error().to_string();
}

TEST_F(StraySnapshot, WithinTheLogItIsNeverRead) {
  const auto roots = with_a_stray(30);
  for (const bool clean : {true, false}) {
    SCOPED_TRACE(clean);
    if (!clean) unclean();
    EXPECT_EQ(listed(), (std::vector<std::int64_t>{0, 10}));
    const auto problem = problem_of(20);
    ASSERT_TRUE(problem);
    EXPECT_NE(problem->message.find("another branch"), std::string::npos) << problem->message;
    for (const std::int64_t version : {19, 20, 21, 30}) expect_at(version, roots.at(version));
    EXPECT_TRUE(must(inspect_store(path_)).problems.empty());
  }
  Options options = keeping();
  options.log = listening();
  CommitStore store = must(CommitStore::open(path_, options));
  EXPECT_EQ(store.committed_roots(), roots.at(30));
  EXPECT_NE(said_.find("another branch"), std::string::npos) << said_;
  // The same beside the writer.
  EXPECT_EQ(listed(), (std::vector<std::int64_t>{0, 10}));
  expect_at(20, roots.at(20));
  EXPECT_TRUE(stdfs::exists(snapshot_of(path_, 20))) << "evidence stays where it is";
}

TEST_F(StraySnapshot, AtTheTipOneOfThisChainTakesItsPlace) {
  for (const bool clean : {true, false}) {
    SCOPED_TRACE(clean);
    stdfs::remove_all(path_);
    copy_over(older_, path_);
    const auto roots = with_a_stray(20);
    if (!clean) unclean();
    EXPECT_EQ(listed(), (std::vector<std::int64_t>{0, 10}));
    CommitStore store = must(CommitStore::open(path_, keeping()));
    must(store.snapshot());
    EXPECT_EQ(listed(), (std::vector<std::int64_t>{0, 10, 20}));
    must(store.close());
    // Only the snapshot is left to build on.
    stdfs::remove_all(live_generation(path_) + "/working");
    store = must(CommitStore::open(path_, keeping()));
    EXPECT_EQ(store.committed_roots(), roots.at(20));
    expect_verified(store);
  }
}

TEST_F(StraySnapshot, PruningCountsNoneAndRemovesItBeforeTheLogThatTellsItApart) {
  const auto roots = with_a_stray(25);
  Options options = keeping(1);
  options.log = listening();
  CommitStore store = must(CommitStore::open(path_, options));
  commit_to(store, 30, kOtherBranch);
  must(store.snapshot());
  EXPECT_EQ(listed(), (std::vector<std::int64_t>{10, 30})) << "a stray is not one that is kept";
  EXPECT_FALSE(stdfs::exists(snapshot_of(path_, 20)));
  EXPECT_NE(said_.find("removed"), std::string::npos) << said_;
  expect_at(20, roots.at(20));
  commit_to(store, 40, kOtherBranch);
  must(store.snapshot());
  must(store.close());
  EXPECT_EQ(listed(), (std::vector<std::int64_t>{30, 40}));
  ReadOnlyOptions at;
  at.at = 20;
  EXPECT_EQ(ReadOnlyStore::open(path_, at).error().code, ErrorCode::version_mismatch);
}

TEST_F(StraySnapshot, ARollbackGoesThroughTheLogAndLeavesItBehind) {
  const auto roots = with_a_stray(30);
  copy_over(path_, dir_ / "kept");
  for (const std::int64_t version : {20, 25}) {
    SCOPED_TRACE(version);
    for (const bool open : {false, true}) {
      stdfs::remove_all(path_);
      copy_over(dir_ / "kept", path_);
      if (open) {
        CommitStore store = must(CommitStore::open(path_, keeping()));
        must(store.rollback(version));
        EXPECT_EQ(store.committed_roots(), roots.at(version));
        must(store.close());
      } else {
        must(rollback(path_, version));
      }
      EXPECT_FALSE(stdfs::exists(snapshot_of(path_, 20)));
      EXPECT_EQ(must(roots_at(path_, std::nullopt)).roots, roots.at(version));
      expect_at(version, roots.at(version));
    }
  }
}

TEST_F(StraySnapshot, ARebuiltWorkingCopyComesFromThisChain) {
  const auto roots = with_a_stray(30);
  stdfs::remove_all(live_generation(path_) + "/working");
  CommitStore store = must(CommitStore::open(path_, keeping()));
  EXPECT_TRUE(store.open_report().rebuilt_working_copy);
  EXPECT_EQ(store.committed_roots(), roots.at(30));
  expect_verified(store);
  must(store.close());
  EXPECT_FALSE(stdfs::exists(snapshot_of(path_, 20)));
}

/// The whole log is lost, but CLEAN is there: the next log has its base at 20.
TEST_F(StraySnapshot, AtTheBaseOfTheLogAndBelowIt) {
  std::map<std::int64_t, Roots> roots;
  {
    CommitStore store = must(CommitStore::open(path_, keeping()));
    roots = commit_to(store, 20, kOtherBranch);
    must(store.close());
  }
  const Roots at_10 = must(roots_at(path_, 10)).roots;
  for (const std::string& segment : segments(path_)) stdfs::remove(segment);
  {
    CommitStore store = must(CommitStore::open(path_, keeping()));
    EXPECT_TRUE(store.open_report().lost_log_tail);
    roots.merge(commit_to(store, 30, kOtherBranch));
    must(store.close());
  }
  EXPECT_EQ(listed(), (std::vector<std::int64_t>{0, 10, 20}));
  // Nothing contradicts a snapshot below the log: it can be read, with a warning.
  ReadOnlyOptions options;
  options.at = 10;
  options.log = listening();
  EXPECT_EQ(must(ReadOnlyStore::open(path_, options)).roots(), at_10);
  EXPECT_NE(said_.find("does not keep version 10"), std::string::npos) << said_;

  stdfs::remove_all(snapshot_of(path_, 20));
  copy_over(snapshot_of(ours_, 20), snapshot_of(path_, 20));
  EXPECT_EQ(listed(), (std::vector<std::int64_t>{0, 10}));
  unclean();
  CommitStore store = must(CommitStore::open(path_, keeping()));
  EXPECT_EQ(store.committed_roots(), roots.at(30));
  must(store.close());
  options.at = 20;
  const auto read = ReadOnlyStore::open(path_, options);
  ASSERT_FALSE(read) << "nothing of this chain is left at 20";
  EXPECT_EQ(read.error().code, ErrorCode::version_mismatch) << read.error().to_string();
}

}  // namespace
}  // namespace flatkv::test

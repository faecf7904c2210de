// SPDX-License-Identifier: Apache-2.0
// What a writer does while a reader makes its clone.
#include <cstring>
#include <fstream>

#include "base/failpoint.hpp"
#include "history/read_only_support.hpp"

namespace flatkv::test {
namespace {

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

/// A writer takes an unfinished clone for a dead reader's and removes it.
TEST_F(ReadOnlyRaces, AWriterRemovesTheUnfinishedClone) {
  CommitStore store = open_new(path_, options());
  const auto roots = commit_to(store, 20);
  const auto remove = [&] {
    for (const std::string& name : clones(path_)) stdfs::remove_all(path_ + "/" + name);
    return Status{};
  };
  for (const char* site : {"history.clone.made", "history.clone.locked"}) {
    SCOPED_TRACE(site);
    meanwhile(site, remove);
    expect_at(path_, 20, roots.at(20));
    unsigned tries = 0;
    failpoint::arm(
        site,
        [&] {
          ++tries;
          return remove();
        },
        1, 0);
    const auto clone = ReadOnlyStore::open(path_, at(20));
    failpoint::disarm_all();
    ASSERT_FALSE(clone);
    EXPECT_EQ(clone.error().code, ErrorCode::io);
    EXPECT_EQ(clone.error().message, "the directory of a clone keeps being removed");
    EXPECT_EQ(clone.error().path, path_);
    EXPECT_EQ(tries, 10U);
    EXPECT_TRUE(clones(path_).empty());
  }
  // Something else has the clone's name.
  meanwhile("history.clone.locked", [&] {
    const std::string name = clones(path_).at(0);
    std::ofstream(path_ + "/" + name.substr(0, name.size() - std::strlen("-tmp"))) << "in the way";
  });
  const auto clone = ReadOnlyStore::open(path_, at(20));
  ASSERT_FALSE(clone);
  EXPECT_NE(clone.error().message.find("cannot make a clone to read from"), std::string::npos);
  EXPECT_NE(clone.error().message.find("another scratch directory can be given"),
            std::string::npos);
  for (const std::string& name : clones(path_)) EXPECT_FALSE(name.ends_with("-tmp")) << name;
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

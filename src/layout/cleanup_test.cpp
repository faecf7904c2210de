// SPDX-License-Identifier: Apache-2.0
#include "layout/cleanup.hpp"

#include "base/failpoint.hpp"
#include "layout/removal.hpp"
#include "layout/test_support.hpp"

namespace flatkv::layout {
namespace {

const std::string kLive = "gen-00000002";

void prepare(const std::string& store) {
  for (const char* name :
       {"gen-00000001", "gen-00000002", "gen-00000003", "gen-00000003-import-tmp",
        "gen-00000004-repair-tmp", "readonly-1-orphan", "readonly-1-half-tmp", "photos"}) {
    make_directories(store + "/" + name + "/inside");
    spill(store + "/" + name + "/inside/file", "content");
  }
  spill(store + "/notes.txt", "the operator's");
  ASSERT_TRUE(succeeds(swap_current(fs::posix(), store, kLive)));
}

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> clean(fs::FileSystem& files, const std::string& store,
                               const std::string& live = kLive) {
  const auto survey = survey_store(files, store);
  if (!survey) return {survey.error().to_string()};
  return remove_leftovers(files, store, *survey, live);
}

TEST(Cleanup, LeavesTheLiveGenerationAndWhatIsNotOurs) {
  const fs::TestDirectory store;
  prepare(store.path());
  EXPECT_EQ(clean(fs::posix(), store.path()), std::vector<std::string>{});
  EXPECT_EQ(names_in(store.path()),
            (std::vector<std::string>{"CURRENT", kLive, "notes.txt", "photos"}));
  EXPECT_EQ(as_chars(slurp(store / kLive + "/inside/file")), "content");
}

TEST(Cleanup, ClonesWhoseReaderLivesAreKept) {
  const fs::TestDirectory store;
  prepare(store.path());
  const auto reader = fs::posix().lock_directory(store / "readonly-1-half-tmp");
  ASSERT_TRUE(succeeds(reader));
  EXPECT_TRUE(clean(fs::posix(), store.path()).empty()) << "in use is nothing to report";
  EXPECT_FALSE(std::filesystem::exists(store / "readonly-1-orphan"));
  EXPECT_TRUE(std::filesystem::exists(store / "readonly-1-half-tmp/inside/file"));
}

TEST(Cleanup, ACloneBecomesAnOrphanWhenItsReaderDies) {
  const fs::TestDirectory store;
  prepare(store.path());
  {
    const auto reader = fs::posix().lock_directory(store / "readonly-1-orphan");
    ASSERT_TRUE(succeeds(reader));
    EXPECT_TRUE(clean(fs::posix(), store.path()).empty());
    EXPECT_TRUE(std::filesystem::exists(store / "readonly-1-orphan"));
  }
  EXPECT_TRUE(clean(fs::posix(), store.path()).empty());
  EXPECT_FALSE(std::filesystem::exists(store / "readonly-1-orphan"));
}

TEST(Cleanup, OrphansOutsideAnyStore) {
  const fs::TestDirectory scratch;
  for (const char* name : {"readonly-1-orphan", "readonly-2-half-tmp", "readonly-x", "photos"}) {
    make_directories(scratch / name + "/inside");
    spill(scratch / name + "/inside/file", "content");
  }
  spill(scratch / "readonly-3-file", "a file");
  const auto reader = fs::posix().lock_directory(scratch / "readonly-2-half-tmp");
  ASSERT_TRUE(succeeds(reader));
  EXPECT_TRUE(remove_orphans(fs::posix(), scratch.path()).empty());
  EXPECT_EQ(names_in(scratch.path()), (std::vector<std::string>{"photos", "readonly-2-half-tmp",
                                                                "readonly-3-file", "readonly-x"}));
  EXPECT_TRUE(remove_orphans(fs::posix(), scratch / "nowhere").empty());
}

TEST(Cleanup, NothingIsRemovedUnlessCurrentNamesTheLiveGeneration) {
  const fs::TestDirectory store;
  prepare(store.path());
  const std::vector<std::string> before = names_in(store.path());
  EXPECT_EQ(clean(fs::posix(), store.path(), "gen-00000001").size(), 1U);
  EXPECT_EQ(names_in(store.path()), before);
  spill(store / "CURRENT", "bad");
  EXPECT_EQ(clean(fs::posix(), store.path()).size(), 1U);
  EXPECT_EQ(names_in(store.path()), before);
}

// docs/hazards.md#snapshot-left-by-rollback
TEST(Cleanup, ARemnantOfAnOldGenerationNeverLooksComplete) {
  std::size_t failed = 0;
  for (std::size_t at = 1;; ++at) {
    const fs::TestDirectory store;
    prepare(store.path());
    WatchedFiles files;
    bool injected = false;
    files.before = [&](std::size_t index, const WatchedFiles::Operation&) -> Status {
      if (index < at) return {};
      injected = true;
      return fail(ErrorCode::io, "injected");
    };
    const auto kept = clean(files, store.path());
    if (!injected) break;
    ++failed;
    EXPECT_FALSE(kept.empty()) << at;
    for (const char* name : {"gen-00000001", "gen-00000002", "gen-00000003"}) {
      const std::string path = store / name;
      EXPECT_TRUE(!std::filesystem::exists(path) || std::filesystem::exists(path + "/inside/file"))
          << at << ": half a generation under its name";
    }
    EXPECT_TRUE(clean(fs::posix(), store.path()).empty());
    EXPECT_EQ(names_in(store.path()).size(), 4U);
  }
  EXPECT_GE(failed, 20U);
}

TEST(Cleanup, WhereADirectoryCannotBeRenamedARemnantIsMarked) {
  std::size_t failed = 0;
  for (std::size_t at = 1;; ++at) {
    const fs::TestDirectory store;
    prepare(store.path());
    WatchedFiles files;
    files.no_directory_renames = true;
    bool injected = false;
    files.before = [&](std::size_t index, const WatchedFiles::Operation&) -> Status {
      if (index < at) return {};
      injected = true;
      return fail(ErrorCode::io, "injected");
    };
    const auto kept = clean(files, store.path());
    if (!injected) {
      EXPECT_TRUE(kept.empty());
      EXPECT_EQ(names_in(store.path()).size(), 4U);
      break;
    }
    ++failed;
    EXPECT_FALSE(kept.empty()) << at;
    const auto survey = survey_store(fs::posix(), store.path());
    ASSERT_TRUE(succeeds(survey));
    for (const std::string& name : survey->generations) {
      const std::string path = store / name;
      EXPECT_TRUE(std::filesystem::exists(path + "/inside/file") || is_remnant(fs::posix(), path))
          << at << ": half a generation under its name";
    }
    EXPECT_FALSE(std::filesystem::exists(store / next_generation(*survey))) << at;
    EXPECT_TRUE(clean(fs::posix(), store.path()).empty());
    EXPECT_EQ(names_in(store.path()).size(), 4U);
  }
  EXPECT_GE(failed, 20U);
}

TEST(Cleanup, AGenerationMarkedAsRemovedIsNoChoice) {
  const fs::TestDirectory store;
  make_directories(store / "gen-00000001/inside");
  make_directories(store / "gen-00000002/inside");
  spill(store / "gen-00000001/REMOVED", "");
  const auto survey = survey_store(fs::posix(), store.path());
  ASSERT_TRUE(succeeds(survey));
  ASSERT_EQ(survey->unfinished.size(), 1U);
  EXPECT_EQ(survey->unfinished.front().name, "gen-00000001");
  EXPECT_EQ(choose_generation(store.path(), *survey)->name, kLive);
  std::filesystem::remove_all(store / kLive);
  const auto left = survey_store(fs::posix(), store.path());
  ASSERT_TRUE(succeeds(left));
  EXPECT_TRUE(
      fails_with(choose_generation(store.path(), *left), ErrorCode::corruption, "gen-00000001"));
}

TEST(Cleanup, LinksAreRemovedAndNotFollowed) {
  const fs::TestDirectory store;
  prepare(store.path());
  std::filesystem::create_directory_symlink("../photos", store / "gen-00000001/away");
  EXPECT_TRUE(clean(fs::posix(), store.path()).empty());
  EXPECT_TRUE(std::filesystem::exists(store / "photos/inside/file"));
}

TEST(Cleanup, InsideAGeneration) {
  const fs::TestDirectory generation;
  make_directories(generation / "snapshot-00000000000000000007-tmp/account");
  make_directories(generation / "snapshot-00000000000000000007-old-tmp/account");
  make_directories(generation / "snapshot-00000000000000000005/account");
  make_directories(generation / "flush");
  make_directories(generation / "working");
  spill(generation / "flush/account-00000000000000000009.sst", "table");
  spill(generation / "CLEAN-tmp", "x");
  spill(generation / "CLEAN", "x");
  EXPECT_EQ(remove_unfinished(fs::posix(), generation.path()), std::vector<std::string>{});
  EXPECT_EQ(
      names_in(generation.path()),
      (std::vector<std::string>{"CLEAN", "flush", "snapshot-00000000000000000005", "working"}));
  EXPECT_TRUE(names_in(generation / "flush").empty());
  std::filesystem::remove(generation / "flush");
  EXPECT_TRUE(remove_unfinished(fs::posix(), generation.path()).empty());
  EXPECT_TRUE(std::filesystem::exists(generation / "flush"));
}

#ifdef FLATKV_FAILPOINTS
TEST(Cleanup, ACrashAtAnyStepIsFinishedByTheNextOne) {
  for (const char* site : {"layout.cleanup.before_rename", "layout.cleanup.before_remove",
                           "layout.cleanup.after_remove", "layout.cleanup.clone_locked"}) {
    for (unsigned nth = 1; nth <= 2; ++nth) {
      const fs::TestDirectory store;
      prepare(store.path());
      const int status = fs::in_child([&] {
        failpoint::arm(site, []() -> Status { ::_exit(77); }, nth);
        return clean(fs::posix(), store.path()).empty();
      });
      ASSERT_EQ(status, 77) << site;
      EXPECT_TRUE(clean(fs::posix(), store.path()).empty());
      EXPECT_EQ(names_in(store.path()).size(), 4U);
    }
  }
}
#endif

}  // namespace
}  // namespace flatkv::layout

// SPDX-License-Identifier: Apache-2.0
#include "base/failpoint.hpp"
#include "layout/cleanup.hpp"
#include "layout/test_support.hpp"

namespace flatkv::layout {
namespace {

const std::string kOld = "gen-00000001";
const std::string kNew = "gen-00000002";
const std::string kUnfinished = "gen-00000002-rollback-tmp";

/// A store with the old generation live and the new one built beside it.
void prepare(const std::string& store) {
  make_directories(store + "/" + kOld);
  spill(store + "/" + kOld + "/MANIFEST.json", encode(sample_manifest()));
  ASSERT_TRUE(succeeds(swap_current(fs::posix(), store, kOld)));
  make_directories(store + "/" + kUnfinished);
  spill(store + "/" + kUnfinished + "/MANIFEST.json", encode(sample_manifest()));
}

std::string live(const std::string& store) {
  const auto survey = survey_store(fs::posix(), store);
  if (!survey) return survey.error().to_string();
  const auto choice = choose_generation(store, *survey);
  if (!choice) return choice.error().to_string();
  return choice->name + (choice->current_missing ? " without CURRENT" : "");
}

Status publish(fs::FileSystem& files, const std::string& store) {
  return publish_generation(files, store, kUnfinished, kNew);
}

TEST(Publish, MakesTheNewGenerationLive) {
  const fs::TestDirectory store;
  prepare(store.path());
  EXPECT_EQ(live(store.path()), kOld);
  ASSERT_TRUE(succeeds(publish(fs::posix(), store.path())));
  EXPECT_EQ(live(store.path()), kNew);
  EXPECT_TRUE(std::filesystem::exists(store / kOld + "/MANIFEST.json")) << "views may read it";
  EXPECT_FALSE(std::filesystem::exists(store / kUnfinished));
  EXPECT_FALSE(std::filesystem::exists(store / "CURRENT-tmp"));
}

TEST(Publish, TheFirstGenerationNeedsNoCurrent) {
  const fs::TestDirectory store;
  make_directories(store / "gen-00000001-init-tmp");
  ASSERT_TRUE(
      succeeds(publish_generation(fs::posix(), store.path(), "gen-00000001-init-tmp", kOld)));
  EXPECT_EQ(live(store.path()), kOld);
}

// docs/hazards.md#rename-without-directory-sync
TEST(Publish, EveryRenameIsFollowedByASyncOfItsDirectory) {
  const fs::TestDirectory store;
  prepare(store.path());
  WatchedFiles files;
  ASSERT_TRUE(succeeds(publish(files, store.path())));
  EXPECT_TRUE(files.renames_are_synced());
  ASSERT_FALSE(files.operations.empty());
  EXPECT_EQ(files.operations.front().kind, "sync") << "what is renamed is on disk before";
}

TEST(Publish, AGenerationIsNeverReplaced) {
  const fs::TestDirectory store;
  prepare(store.path());
  make_directories(store / kNew);  // rename would replace an empty directory
  EXPECT_TRUE(fails_with(publish(fs::posix(), store.path()), ErrorCode::corruption, kNew));
  EXPECT_EQ(live(store.path()), kOld);
}

TEST(Publish, AnErrorAtAnyOperationLeavesTheOldOrTheNewGeneration) {
  std::size_t failed = 0;
  for (std::size_t at = 1;; ++at) {
    const fs::TestDirectory store;
    prepare(store.path());
    WatchedFiles files;
    files.before = [&](std::size_t index, const WatchedFiles::Operation& operation) -> Status {
      if (index != at) return {};
      return fail(ErrorCode::io, "injected").path(operation.path);
    };
    if (publish(files, store.path())) break;
    ++failed;
    const std::string name = live(store.path());
    EXPECT_TRUE(name == kOld || name == kNew) << at << ": " << name;
  }
  EXPECT_GE(failed, 5U);
}

// docs/recovery.md, row I3: what takes space comes before the first name that an open would find.
TEST(Publish, AFullDiskPublishesNothing) {
  std::size_t full = 0;
  for (const std::string& old : {kOld, std::string()}) {
    const fs::TestDirectory store;
    if (!old.empty()) prepare(store.path());
    make_directories(store / kUnfinished);
    WatchedFiles files;
    files.before = [&](std::size_t, const WatchedFiles::Operation& operation) -> Status {
      if (operation.kind != "create") return {};
      ++full;
      return fail(ErrorCode::no_space, "full").path(operation.path);
    };
    EXPECT_TRUE(fails_with(publish(files, store.path()), ErrorCode::no_space));
    EXPECT_FALSE(std::filesystem::exists(store / kNew));
    EXPECT_FALSE(std::filesystem::exists(store / "CURRENT-tmp"));
    const auto survey = survey_store(fs::posix(), store.path());
    ASSERT_TRUE(succeeds(survey));
    EXPECT_EQ(survey->generations.size(), old.empty() ? 0U : 1U);
    if (!old.empty()) {
      EXPECT_EQ(live(store.path()), old);
    }
  }
  EXPECT_EQ(full, 2U);
}

TEST(Publish, AnErrorBeforeTheNewNameLeavesNoNextCurrent) {
  const fs::TestDirectory store;
  prepare(store.path());
  WatchedFiles files;
  files.before = [&](std::size_t, const WatchedFiles::Operation& operation) -> Status {
    if (operation.kind != "rename") return {};
    return fail(ErrorCode::io, "injected").path(operation.path);
  };
  EXPECT_TRUE(fails_with(publish(files, store.path()), ErrorCode::io, kNew));
  EXPECT_TRUE(std::filesystem::exists(store / kUnfinished));
  EXPECT_FALSE(std::filesystem::exists(store / "CURRENT-tmp"));
  EXPECT_EQ(live(store.path()), kOld);
}

#ifdef FLATKV_FAILPOINTS

const std::vector<std::pair<std::string, std::string>> kPublishSites = {
    {"layout.publish.before_rename", kOld},
    {"layout.publish.after_rename", kOld},
    {"layout.publish.before_swap", kOld},
    {"layout.swap.before", kOld},
    {"layout.swap.after", kNew},
};

TEST(Publish, S11_ACrashAtAnyStepLeavesOneLiveGeneration) {
  for (const auto& [site, expected] : kPublishSites) {
    SCOPED_TRACE(site);
    const fs::TestDirectory store;
    prepare(store.path());
    const int status = fs::in_child([&] {
      failpoint::arm(site, []() -> Status { ::_exit(77); });
      return publish(fs::posix(), store.path()).has_value();
    });
    ASSERT_EQ(status, 77) << "the site was not hit";
    EXPECT_EQ(live(store.path()), expected);

    const auto survey = survey_store(fs::posix(), store.path());
    ASSERT_TRUE(succeeds(survey));
    EXPECT_TRUE(remove_leftovers(fs::posix(), store.path(), *survey, expected).empty());
    const auto cleaned = survey_store(fs::posix(), store.path());
    ASSERT_TRUE(succeeds(cleaned));
    EXPECT_EQ(cleaned->generations, std::vector<std::string>{expected});
    EXPECT_TRUE(cleaned->unfinished.empty());
  }
}

TEST(Publish, S12_ACrashBeforeTheFirstCurrentLeavesAUsableStore) {
  for (const char* site : {"layout.publish.after_rename", "layout.swap.before"}) {
    const fs::TestDirectory store;
    make_directories(store / "gen-00000001-init-tmp");
    const int status = fs::in_child([&] {
      failpoint::arm(site, []() -> Status { ::_exit(77); });
      return publish_generation(fs::posix(), store.path(), "gen-00000001-init-tmp", kOld)
          .has_value();
    });
    ASSERT_EQ(status, 77);
    EXPECT_EQ(live(store.path()), kOld + " without CURRENT");
  }
}

TEST(Publish, AFailedSwapCanBeRepeated) {
  const fs::TestDirectory store;
  prepare(store.path());
  failpoint::arm("layout.swap.before",
                 []() -> Status { return fail(ErrorCode::no_space, "full"); });
  EXPECT_TRUE(fails_with(publish(fs::posix(), store.path()), ErrorCode::no_space));
  failpoint::disarm_all();
  EXPECT_EQ(live(store.path()), kOld);
  ASSERT_TRUE(succeeds(swap_current(fs::posix(), store.path(), kNew)));
  EXPECT_EQ(live(store.path()), kNew);
}

#endif

}  // namespace
}  // namespace flatkv::layout

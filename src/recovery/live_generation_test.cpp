// SPDX-License-Identifier: Apache-2.0
#include "recovery/live_generation.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "layout/test_support.hpp"

namespace flatkv::recovery {
namespace {

using layout::fails_with;

/// Two complete generations, as while one replaces the other.
class LookAtStore : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"gen-00000001", "gen-00000002"}) {
      layout::make_directories(store_ / name);
    }
    replace();
  }
  void replace() {
    live_ = live_ == "gen-00000001" ? "gen-00000002" : "gen-00000001";
    ASSERT_TRUE(layout::swap_current(fs::posix(), store_.path(), live_));
  }
  /// Looks as often as readers do. The store is replaced during the first `replaced` of them.
  Result<int> look(int replaced, const std::optional<Error>& failure, bool checked = false) {
    looks_ = 0;
    return look_at_store(
        fs::posix(), store_.path(),
        [&](const LiveGeneration& place) -> Result<int> {
          EXPECT_EQ(place.choice.name, live_);
          if (++looks_ <= replaced) replace();
          if (failure) return std::unexpected(*failure);
          return looks_;
        },
        checked);
  }
  /// What a look at a pruned generation may meet.
  Error gone() const {
    return fail(ErrorCode::not_found, "it is gone").path(store_ / live_).error();
  }

  fs::TestDirectory store_;
  std::string live_;
  int looks_ = 0;
};

TEST_F(LookAtStore, IsRepeatedWhileTheStoreIsReplaced) {
  EXPECT_EQ(look(0, {}), 1);
  EXPECT_EQ(look(2, {}), 3);
  EXPECT_EQ(look(kLooks, {}, true), 1);  // it has checked by itself
}

TEST_F(LookAtStore, ThatMetAnotherGenerationEachTimeSaysSo) {
  EXPECT_TRUE(fails_with(look(kLooks, {}), ErrorCode::locked, "replaced again and again"));
  EXPECT_EQ(looks_, kLooks);
  // Whether the writer has its lock at the end, or is between two opens, and whichever the path.
  for (const bool held : {false, true}) {
    const auto lock = held ? *fs::posix().lock_directory(store_.path()) : nullptr;
    for (const Error& error :
         {gone(), fail(ErrorCode::not_found, "replaced").path(store_.path()).error()}) {
      EXPECT_TRUE(fails_with(look(kLooks, error), ErrorCode::locked, "replaced again and again"));
      EXPECT_TRUE(fails_with(look(kLooks, error, true), ErrorCode::locked));
    }
  }
}

TEST_F(LookAtStore, FailsWithWhatItMetWhereNothingMoved) {
  EXPECT_TRUE(fails_with(look(0, gone()), ErrorCode::not_found, "it is gone"));
  EXPECT_EQ(looks_, kLooks);
  EXPECT_TRUE(fails_with(look(2, gone()), ErrorCode::not_found, "it is gone"));
  const auto io = fail(ErrorCode::io, "the disk").error();
  EXPECT_TRUE(fails_with(look(kLooks, io), ErrorCode::io, "the disk"));
  EXPECT_EQ(looks_, 1);

  const auto lock = fs::posix().lock_directory(store_.path());
  EXPECT_TRUE(fails_with(look(0, gone()), ErrorCode::locked, "repeatedly pruned"));
}

TEST_F(LookAtStore, SaysThatTheStoreWasRemoved) {
  const auto removed = look_at_store(
      fs::posix(), store_.path(),
      [&](const LiveGeneration&) -> Result<int> {
        if (++looks_ == kLooks) std::filesystem::remove_all(store_.path());
        return std::unexpected(gone());
      },
      false);
  EXPECT_TRUE(fails_with(removed, ErrorCode::not_found, "no store"));
}

}  // namespace
}  // namespace flatkv::recovery

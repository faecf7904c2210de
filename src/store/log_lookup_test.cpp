// SPDX-License-Identifier: Apache-2.0
#include "store/log_lookup.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "blake3/blake3.hpp"
#include "changelog/log_maintenance.hpp"
#include "changelog/writer.hpp"
#include "fs/test_directory.hpp"
#include "store/test_support.hpp"

namespace flatkv::store {
namespace {

/// A log of some blocks, all in one segment or each in its own.
class Lookup : public testing::TestWithParam<std::uint64_t> {
 protected:
  static constexpr changelog::StoreId kStore{7};
  static constexpr std::int64_t kFirst = 3;

  Lookup() {
    files_.before = [this](std::string_view call, const std::string& path) -> Status {
      lists_ += call == "list" ? 1 : 0;
      if (call != "open_read") return {};
      ++opens_;
      if (failures_ == 0) return {};
      --failures_;
      return fail(failure_, "injected").path(path);
    };
    EXPECT_TRUE(changelog::create_log(fs::posix(), log(), kStore, {kFirst - 1, {}}));
    changelog::SurveyOptions survey;
    survey.store = kStore;
    const auto walk = changelog::walk_segments(fs::posix(), log(), survey);
    writer_ = *changelog::Writer::open(fs::posix(), log(), (*walk)->tip,
                                       {.store = kStore, .segment_bytes = GetParam()});
    append(8);
  }
  std::string log() const { return directory_ / "log"; }
  /// Up to that version.
  void append(std::int64_t last) {
    for (std::int64_t version = writer_->tip().version + 1; version <= last; ++version) {
      const Bytes payload(20, static_cast<std::uint8_t>(version));
      const std::array<ByteView, 1> parts{payload};
      ASSERT_TRUE(writer_->append(version, parts, blake3::hash(payload), {}));
    }
  }
  void expect_found(std::int64_t version) {
    const auto found = lookup_.find(version);
    ASSERT_TRUE(found) << found.error().to_string();
    ASSERT_TRUE(*found) << version;
    EXPECT_EQ((*found)->version, version);
    EXPECT_EQ((*found)->payload_digest,
              blake3::hash(Bytes(20, static_cast<std::uint8_t>(version))));
  }
  void expect_none(std::int64_t version) {
    const auto found = lookup_.find(version);
    ASSERT_TRUE(found) << found.error().to_string();
    EXPECT_FALSE(*found) << version;
  }

  const fs::TestDirectory directory_;
  WatchedFiles files_;
  int lists_ = 0;
  int opens_ = 0;
  int failures_ = 0;  ///< so many more files cannot be opened
  ErrorCode failure_ = ErrorCode::not_found;
  std::unique_ptr<changelog::Writer> writer_;
  LogLookup lookup_{files_, log(), kStore};
};

TEST_P(Lookup, FindsWhatTheLogHoldsInAnyOrder) {
  for (const std::int64_t version : {5, 5, 8, 3, 4, 6, 8, 7, 3, 3, 8}) expect_found(version);
  constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t version : {kLowest, kHighest, kLowest + 1, kHighest - 1}) {
    expect_none(version);
  }
  for (const std::int64_t version : {-1, 0, 1, 2, 9, 10}) {
    expect_none(version);
    expect_found(3);
  }
  for (std::int64_t version = 3; version <= 8; ++version) expect_found(version);
  expect_none(9);
  append(10);
  for (std::int64_t version = 9; version <= 10; ++version) expect_found(version);
  expect_none(11);
  append(12);
  expect_found(12);
  expect_found(11);
  expect_found(3);
}

TEST_P(Lookup, InAscendingOrderTheLogIsListedAndOpenedOnce) {
  expect_found(3);
  const int lists = lists_;
  const int opens = opens_;
  for (std::int64_t version = 4; version <= 8; ++version) expect_found(version);
  EXPECT_EQ(lists_, lists);
  EXPECT_EQ(opens_, opens);
  expect_found(5);  // is behind: its segment is opened again
  EXPECT_EQ(lists_, lists);
  EXPECT_GT(opens_, opens);
  expect_none(9);  // may have come since
  EXPECT_GT(lists_, lists);
}

TEST_P(Lookup, OnlyTheEndOfTheLogIsReadForALaterBlock) {
  expect_found(3);
  const int from_the_first = opens_;
  LogLookup late(files_, log(), kStore);
  ASSERT_TRUE(late.find(8).value());
  if (GetParam() == 1) {
    EXPECT_LT(opens_, 2 * from_the_first);
  } else {
    EXPECT_EQ(opens_, 2 * from_the_first);
  }
}

// The process wrote them.
TEST_P(Lookup, PayloadsAreNotLookedAt) {
  for (const std::int64_t version : {5, 8}) {
    const std::string segment =
        log() + "/" + changelog::segment_name(GetParam() == 1 ? version : kFirst);
    std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
    std::string bytes(std::filesystem::file_size(segment), '\0');
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    const std::size_t at = bytes.rfind(std::string(20, static_cast<char>(version)));
    ASSERT_NE(at, std::string::npos);
    file.seekp(static_cast<std::streamoff>(at));
    file.put('x');
    file.close();
    expect_found(version);
  }
  LogLookup anew(files_, log(), kStore);
  EXPECT_TRUE(anew.find(8).value());
}

TEST_P(Lookup, ALogOfAnotherStoreIsRefused) {
  LogLookup other(files_, log(), changelog::StoreId{8});
  const auto found = other.find(5);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::foreign_store);
}

TEST_P(Lookup, AFileThatIsJustPrunedIsLookedForTwiceMore) {
  for (const int failures : {1, 2}) {
    failures_ = failures;
    expect_found(9 - 2 * failures);
    EXPECT_EQ(failures_, 0);
  }
  failures_ = 100;
  const auto gone = lookup_.find(3);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, ErrorCode::not_found);
  EXPECT_EQ(failures_, 97);
  failure_ = ErrorCode::io;
  failures_ = 100;
  const auto failed = lookup_.find(3);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::io);
  EXPECT_EQ(failures_, 99);
  failures_ = 0;
  expect_found(3);
}

TEST_P(Lookup, WhatIsPrunedIsNotThere) {
  expect_found(8);
  expect_found(3);  // the log was listed while it had all its segments
  ASSERT_TRUE(changelog::prune(fs::posix(), log(), 6));
  if (GetParam() != 1) return expect_found(3);  // it has but one
  for (const std::int64_t version : {5, 4, 3}) expect_none(version);
  for (const std::int64_t version : {7, 8}) expect_found(version);
  expect_none(6);
}

TEST_P(Lookup, WithoutALogThereIsNothing) {
  LogLookup nowhere(files_, directory_ / "nothing", kStore);
  const auto found = nowhere.find(3);
  ASSERT_TRUE(found);
  EXPECT_FALSE(*found);
}

INSTANTIATE_TEST_SUITE_P(Segments, Lookup, testing::Values(1, 1 << 20));

}  // namespace
}  // namespace flatkv::store

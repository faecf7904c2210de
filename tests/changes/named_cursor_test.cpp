// SPDX-License-Identifier: Apache-2.0
// Named cursors hold the pruning of the log back.
#include <atomic>

#include "changes/changes_fixture.hpp"

namespace flatkv::test {
namespace {

class NamedCursorTest : public ChangesFixture {
 protected:
  NamedCursorTest() {
    options_.segment_bytes = 2048;
    options_.snapshot.keep = 0;
    options_.log = [this](LogLevel level, std::string_view message) {
      if (level == LogLevel::warning && message.find("cursor") != std::string_view::npos) {
        ++warnings_;
      }
    };
  }
  static SubscribeOptions named(const std::string& name, std::int64_t after) {
    SubscribeOptions options = from(after);
    options.name = name;
    options.depth = 2;
    return options;
  }
  std::int64_t first_kept() const {
    return std::stoll(stdfs::path(segments(path()).front()).stem().string());
  }
  std::vector<std::pair<std::string, std::int64_t>> held() const {
    std::vector<std::pair<std::string, std::int64_t>> all;
    const auto found = store_->named_cursors();
    EXPECT_OK(found);
    for (const NamedCursor& one : *found) {
      all.emplace_back(one.name, one.version);
    }
    return all;
  }
  std::atomic<int> warnings_ = 0;
};

TEST_F(NamedCursorTest, HoldsTheLogFromItsFirstBlockOn) {
  open();
  commit_many(10);
  Subscription subscription = subscribe(named("indexer", 0));
  commit_many(20);
  ASSERT_OK(store_->snapshot());
  EXPECT_EQ(first_kept(), 1);
  EXPECT_EQ(drain(subscription).size(), 30U);
  const Cursor cursor = *subscription.cursor();
  EXPECT_EQ(cursor.blocks.front().version, 28);
  ASSERT_OK(store_->snapshot());
  EXPECT_EQ(first_kept(), 1);  // delivered is not acknowledged
  ASSERT_OK(subscription.acknowledge(cursor));
  EXPECT_EQ(held(), (decltype(held()){{"indexer", 28}}));
  commit_many(1);
  ASSERT_OK(store_->snapshot());
  EXPECT_GT(first_kept(), 1);
  EXPECT_LE(first_kept(), 29);
  EXPECT_OK(store_->subscribe({.cursor = cursor}));
}

TEST_F(NamedCursorTest, HoldsItWhileTheConsumerIsAway) {
  open();
  commit_many(3);
  {
    Subscription subscription = subscribe(named("indexer", 0));
    drain(subscription);
    ASSERT_OK(subscription.acknowledge(*subscription.cursor()));
  }
  ASSERT_OK(store_->snapshot());  // writes the acknowledged version down
  for (int round = 0; round < 2; ++round) {
    close();
    open();
    commit_many(20);
    ASSERT_OK(store_->snapshot());
    EXPECT_EQ(held(), (decltype(held()){{"indexer", 1}}));
    EXPECT_EQ(first_kept(), 1);
  }
  ASSERT_OK(store_->drop_cursor("indexer"));
  EXPECT_TRUE(fails(store_->drop_cursor("indexer"), ErrorCode::not_found));
  commit_many(1);
  ASSERT_OK(store_->snapshot());
  EXPECT_GT(first_kept(), 20);
  close();
  open();
  EXPECT_TRUE(held().empty());
}

TEST_F(NamedCursorTest, TheLowestOfAllCounts) {
  open();
  commit_many(30);
  Subscription high = subscribe(named("high", 25));
  Subscription low = subscribe(named("low", 12));
  ASSERT_OK(store_->snapshot());
  EXPECT_LE(first_kept(), 13);
  EXPECT_GT(first_kept(), 1);
  EXPECT_EQ(drain(low).front(), "+13:13");
  EXPECT_EQ(held(), (decltype(held()){{"high", 25}, {"low", 12}}));
}

TEST_F(NamedCursorTest, BeyondTheLimitTheLogGoesAndTheConsumerIsTold) {
  options_.log_keep_bytes = 5000;
  open();
  Subscription slow = subscribe(named("slow", 0));
  commit_many(40);
  ASSERT_OK(store_->snapshot());
  EXPECT_EQ(warnings_, 1);
  const std::int64_t first = first_kept();
  EXPECT_GT(first, 1);
  EXPECT_EQ(held(), (decltype(held()){{"slow", first - 1}}));
  std::uint64_t kept = 0;
  for (const std::string& segment : segments(path())) kept += stdfs::file_size(segment);
  kept -= stdfs::file_size(segments(path()).back());  // which no name is needed for
  EXPECT_GT(kept, 2500U);
  EXPECT_LE(kept, 5000U);
  EXPECT_EQ(drain(slow), Texts{"log_gap"});
  ASSERT_OK(store_->snapshot());
  EXPECT_EQ(warnings_, 1);
}

TEST_F(NamedCursorTest, WithALimitOfZeroNothingIsHeld) {
  options_.log_keep_bytes = 0;
  open();
  Subscription slow = subscribe(named("slow", 0));
  commit_many(40);
  ASSERT_OK(store_->snapshot());
  EXPECT_EQ(segments(path()).size(), 1U);
}

TEST_F(NamedCursorTest, ADamagedFileOfNamesIsReportedAndHoldsNothing) {
  open();
  commit_many(2);
  static_cast<void>(subscribe(named("indexer", 0)));
  close();
  flip_bit(path() + "/CURSORS", 100);
  open();
  EXPECT_EQ(warnings_, 1);
  EXPECT_TRUE(held().empty());
  static_cast<void>(subscribe(named("indexer", 1)));
  close();
  open();
  EXPECT_EQ(held(), (decltype(held()){{"indexer", 1}}));
}

TEST_F(NamedCursorTest, OnlyANamedSubscriptionAcknowledges) {
  open();
  commit_many(2);
  Subscription plain = subscribe(from(0));
  EXPECT_TRUE(fails(plain.acknowledge(*plain.cursor()), ErrorCode::invalid_argument));
  Subscription own = subscribe(named("own", 0));
  EXPECT_TRUE(fails(own.acknowledge({}), ErrorCode::invalid_argument));
  Cursor other = *own.cursor();
  other.store[3] ^= 4U;
  EXPECT_TRUE(fails(own.acknowledge(other), ErrorCode::foreign_store));
}

}  // namespace
}  // namespace flatkv::test

// SPDX-License-Identifier: Apache-2.0
// Named cursors hold the pruning of the log back.
#include <atomic>
#include <optional>

#include "base/failpoint.hpp"
#include "changes/changes_fixture.hpp"
#include "flatkv/tools/rollback.hpp"
#include "layout/sealed_json.hpp"
#include "support/tamper.hpp"

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
  using Held = std::vector<std::pair<std::string, std::int64_t>>;
  /// What a crash now leaves of the names.
  Held held_after_crash() {
    const std::string copy = directory_.path("copy");
    remove_tree(copy);
    copy_tree(path(), copy);
    const auto crashed = CommitStore::open(copy, options_);
    EXPECT_OK(crashed);
    const auto found = crashed->named_cursors();
    EXPECT_OK(found);
    Held all;
    for (const NamedCursor& one : *found) all.emplace_back(one.name, one.version);
    return all;
  }
  /// Twenty blocks above a snapshot at 0, all acknowledged by a consumer that keeps one pair.
  Subscription acknowledged_to_20() {
    open();
    EXPECT_OK(store_->snapshot());
    SubscribeOptions options = named("indexer", 0);
    options.depth = 0;
    Subscription subscription = subscribe(options);
    commit_many(20);
    drain(subscription);
    EXPECT_OK(subscription.acknowledge(*subscription.cursor()));
    EXPECT_EQ(held(), (Held{{"indexer", 20}}));
    return subscription;
  }
  std::atomic<int> warnings_ = 0;
};

/// Blocks are undone in place, or by a generation.
class NamedCursorUndone : public NamedCursorTest, public ::testing::WithParamInterface<bool> {
 protected:
  NamedCursorUndone() { options_.rollback_depth = GetParam() ? 16 : 0; }
  void undo(std::int64_t version) {
    const std::string generation = live_generation(path());
    ASSERT_OK(store_->rollback(version));
    ASSERT_EQ(live_generation(path()) == generation, GetParam());
  }
};
INSTANTIATE_TEST_SUITE_P(InPlaceOrNot, NamedCursorUndone, ::testing::Bool());

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
  EXPECT_EQ(held(), (Held{{"indexer", 28}}));
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
    EXPECT_EQ(held(), (Held{{"indexer", 1}}));
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
  EXPECT_EQ(held(), (Held{{"high", 25}, {"low", 12}}));
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
  EXPECT_EQ(held(), (Held{{"slow", first - 1}}));
  std::uint64_t kept = 0;
  for (const std::string& segment : segments(path())) kept += stdfs::file_size(segment);
  kept -= stdfs::file_size(segments(path()).back());  // which no name is needed for
  EXPECT_GT(kept, 2500U);
  EXPECT_LE(kept, 5000U);
  EXPECT_EQ(drain(slow), Texts{"log_gap"});
  ASSERT_OK(store_->snapshot());
  EXPECT_EQ(warnings_, 1);
}

// The names outlive the core that they were opened with.
TEST_F(NamedCursorTest, AWarningIsACallbackAfterARollbackToo) {
  options_.log_keep_bytes = 5000;
  std::optional<Status> flushed;
  options_.log = [&](LogLevel, std::string_view message) {
    if (message.find("cursor") != std::string_view::npos) flushed = store_->flush();
  };
  open();
  commit_many(3);
  ASSERT_OK(store_->rollback(2));
  Subscription slow = subscribe(named("slow", 2));
  commit_many(40);
  ASSERT_OK(store_->snapshot());
  ASSERT_TRUE(flushed);
  EXPECT_TRUE(fails(*flushed, ErrorCode::invalid_argument));
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
  EXPECT_EQ(held(), (Held{{"indexer", 1}}));
}

TEST_F(NamedCursorTest, ANewerFileOfNamesIsLeftAloneAndTheLogIsKept) {
  open();
  commit_many(20);
  close();
  const Bytes newer = layout::seal_text("{\"format\": 2,\n");
  write_file(path() + "/CURSORS", newer);
  open();
  EXPECT_EQ(warnings_, 1);
  EXPECT_TRUE(fails(store_->named_cursors(), ErrorCode::format_too_new));
  EXPECT_TRUE(fails(store_->subscribe(named("indexer", 0)), ErrorCode::format_too_new));
  EXPECT_TRUE(fails(store_->drop_cursor("indexer"), ErrorCode::format_too_new));
  ASSERT_OK(store_->snapshot());
  EXPECT_EQ(first_kept(), 1);
  close();
  EXPECT_EQ(read_file(path() + "/CURSORS"), newer);
}

TEST_P(NamedCursorUndone, TheLogStays) {
  open();
  Subscription slow = subscribe(named("slow", 0));
  for (const int count : {10, 10, 2}) {
    commit_many(count);
    if (count == 10) {
      ASSERT_OK(store_->snapshot());
    }
  }
  undo(21);
  EXPECT_EQ(first_kept(), 1);
  EXPECT_EQ(held(), (Held{{"slow", 0}}));
  EXPECT_EQ(drain(slow).size(), 21U);
  close();
  ASSERT_OK(rollback(path(), 20));
  open();
  EXPECT_EQ(first_kept(), 1);
  EXPECT_EQ(held(), (Held{{"slow", 0}}));
  Subscription again = subscribe(named("slow", 0));
  EXPECT_EQ(drain(again).size(), 20U);
  EXPECT_EQ(warnings_, 0);
}

TEST_F(NamedCursorTest, ARollbackSaysWhoLosesLogBeyondTheLimit) {
  open();
  static_cast<void>(subscribe(named("slow", 0)));
  commit_many(40);
  static_cast<void>(subscribe(named("fast", 39)));
  ASSERT_OK(store_->snapshot());
  EXPECT_EQ(first_kept(), 1);
  close();
  options_.log_keep_bytes = 5000;
  open();
  commit_many(1);
  EXPECT_EQ(warnings_, 0);
  ASSERT_OK(store_->rollback(40));
  EXPECT_EQ(warnings_, 1);
  EXPECT_GT(first_kept(), 1);
  EXPECT_LT(first_kept(), 40);
  EXPECT_EQ(held(), (Held{{"fast", 39}, {"slow", first_kept() - 1}}));
  EXPECT_TRUE(fails(store_->subscribe(named("slow", 0)), ErrorCode::log_gap));
}

TEST_P(NamedCursorUndone, WhatIsHeldIsLowered) {
  Subscription slow = acknowledged_to_20();
  const Cursor before = *slow.cursor();
  undo(10);
  EXPECT_EQ(held(), (Held{{"indexer", 10}}));
  // The consumer has not heard of the undo yet.
  ASSERT_OK(slow.acknowledge(before));
  EXPECT_EQ(held(), (Held{{"indexer", 10}}));
  for (int round = 0; round < 2; ++round) {
    commit_many(5);
    ASSERT_OK(store_->snapshot());
  }
  Texts expected{"-10"};
  for (int version = 11; version <= 20; ++version) {
    expected.push_back("+" + std::to_string(version) + ":" + std::to_string(version));
  }
  EXPECT_EQ(drain(slow), expected);
  EXPECT_EQ(warnings_, 0);
}

TEST_P(NamedCursorUndone, ItIsWrittenDown) {
  Subscription subscription = acknowledged_to_20();
  close();
  open();
  EXPECT_EQ(held(), (Held{{"indexer", 20}}));
  undo(10);
  commit_many(15);  // so that the name is not above the tip
  EXPECT_EQ(held_after_crash(), (Held{{"indexer", 10}}));
  close();
  ASSERT_OK(rollback(path(), 5));
  open();
  commit_many(15);
  EXPECT_EQ(held_after_crash(), (Held{{"indexer", 5}}));
}

#ifdef FLATKV_FAILPOINTS
TEST_F(NamedCursorTest, AnUndoThatCannotLowerThemUndoesNothing) {
  options_.rollback_depth = 16;
  Subscription subscription = acknowledged_to_20();
  failpoint::arm("fs.replace_file.after_create", [] { return fail(ErrorCode::io, "injected"); });
  EXPECT_TRUE(fails(store_->rollback(10), ErrorCode::io));
  failpoint::disarm_all();
  EXPECT_EQ(store_->version(), 20);
  commit_many(1);
  EXPECT_EQ(drain(subscription), Texts{"+21:21"});
  ASSERT_OK(store_->rollback(10));
  EXPECT_EQ(held(), (Held{{"indexer", 10}}));
  EXPECT_EQ(drain(subscription), Texts{"-10"});
}
#endif

TEST_F(NamedCursorTest, WhatGoesDownIsWrittenAtOnceAndWhatGoesUpAtClose) {
  open();
  commit_many(10);
  Subscription subscription = subscribe(named("indexer", 3));
  const Cursor first = *subscription.cursor();
  drain(subscription);
  ASSERT_OK(subscription.acknowledge(*subscription.cursor()));
  EXPECT_EQ(held(), (Held{{"indexer", 8}}));
  EXPECT_EQ(held_after_crash(), (Held{{"indexer", 3}}));
  close();
  EXPECT_TRUE(fails(subscription.acknowledge(first), ErrorCode::store_failed));
  open();
  EXPECT_EQ(held(), (Held{{"indexer", 8}}));
  Subscription second = subscribe(named("indexer", 5));
  EXPECT_EQ(held_after_crash(), (Held{{"indexer", 5}}));
  const Cursor low = *second.cursor();
  drain(second);
  ASSERT_OK(second.acknowledge(*second.cursor()));
  ASSERT_OK(store_->snapshot());
  EXPECT_EQ(held_after_crash(), (Held{{"indexer", 8}}));
  ASSERT_OK(second.acknowledge(low));
  EXPECT_EQ(held_after_crash(), (Held{{"indexer", 5}}));
}

TEST_F(NamedCursorTest, NothingAboveWhatWasDeliveredIsAcknowledged) {
  open();
  commit_many(10);
  Subscription subscription = subscribe(named("indexer", 0));
  ASSERT_OK(subscription.next(std::chrono::milliseconds(0)));
  Cursor above = *subscription.cursor();
  above.blocks = {{INT64_MAX, {}}};
  EXPECT_TRUE(fails(subscription.acknowledge(above), ErrorCode::invalid_argument));
  above.blocks = {{2, {}}};
  EXPECT_TRUE(fails(subscription.acknowledge(above), ErrorCode::invalid_argument));
  EXPECT_EQ(held(), (Held{{"indexer", 0}}));
}

TEST_F(NamedCursorTest, OneSubscriptionAtATimeHasAName) {
  open();
  commit_many(4);
  const SubscribeOptions options = named("indexer", 0);
  {
    Subscription first = subscribe(options);
    drain(first);
    ASSERT_OK(first.acknowledge(*first.cursor()));
    EXPECT_TRUE(fails(store_->subscribe(options), ErrorCode::invalid_argument));
    EXPECT_EQ(held(), (Held{{"indexer", 2}}));  // the second has changed nothing
    ASSERT_OK(first.acknowledge(*first.cursor()));
  }
  EXPECT_TRUE(fails(store_->subscribe(named("indexer", 9)), ErrorCode::version_mismatch));
  Subscription second = subscribe(options);
  EXPECT_EQ(drain(second).size(), 4U);
  ASSERT_OK(second.acknowledge(*second.cursor()));
}

TEST_F(NamedCursorTest, WhoseNameWasDroppedIsTold) {
  open();
  commit_many(4);
  Subscription first = subscribe(named("indexer", 0));
  EXPECT_EQ(drain(first).size(), 4U);
  ASSERT_OK(store_->drop_cursor("indexer"));
  EXPECT_TRUE(fails(first.acknowledge(*first.cursor()), ErrorCode::not_found));
  EXPECT_TRUE(held().empty());
  {
    const Subscription second = subscribe(named("indexer", 1));
    // Another one has the name now, and the first one's end does not end that.
    EXPECT_TRUE(fails(first.acknowledge(*first.cursor()), ErrorCode::not_found));
    const Subscription gone = std::move(first);
  }
  Subscription third = subscribe(named("indexer", 2));
  EXPECT_EQ(held(), (Held{{"indexer", 2}}));
  drain(third);
  ASSERT_OK(third.acknowledge(*third.cursor()));
}

TEST_F(NamedCursorTest, ThereAreAtMost1024) {
  open();
  commit_many(2);
  for (int i = 0; i < 1024; ++i) {
    static_cast<void>(subscribe(named("indexer-" + std::to_string(i), 1)));
  }
  const auto refused = store_->subscribe(named("one-more", 0));
  EXPECT_TRUE(fails(refused, ErrorCode::no_space));
  EXPECT_NE(refused.error().message.find("1024"), std::string::npos) << refused.error().message;
  EXPECT_EQ(held().size(), 1024U);
  EXPECT_OK(store_->subscribe(named("indexer-7", 1)));  // one that is there
  ASSERT_OK(store_->drop_cursor("indexer-7"));
  EXPECT_OK(store_->subscribe(named("one-more", 0)));
  close();
  open();
  EXPECT_EQ(held().size(), 1024U);
}

TEST_F(NamedCursorTest, AClosedStoreTellsNoNames) {
  open();
  static_cast<void>(subscribe(named("indexer", 0)));
  ASSERT_OK(store_->close());
  EXPECT_TRUE(fails(store_->named_cursors(), ErrorCode::store_failed));
  EXPECT_TRUE(fails(store_->drop_cursor("indexer"), ErrorCode::store_failed));
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

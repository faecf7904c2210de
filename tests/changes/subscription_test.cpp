// SPDX-License-Identifier: Apache-2.0
// CommitStore::subscribe: every commit and undo in order, from a cursor on.
#include <thread>

#include "base/failpoint.hpp"
#include "changes/changes_fixture.hpp"
#include "flatkv/tools/rollback.hpp"

namespace flatkv::test {
namespace {

using std::chrono::milliseconds;

class Subscriptions : public ChangesFixture {
 protected:
  /// Version 0 has a snapshot, so that every version can be rolled back to.
  void open_with_snapshot() {
    open();
    ASSERT_OK(store_->snapshot());
  }
};

/// Whether going back builds a generation or undoes the blocks in place.
class SubscriptionsUndone : public Subscriptions, public ::testing::WithParamInterface<bool> {
 protected:
  SubscriptionsUndone() { options_.rollback_depth = GetParam() ? 16 : 0; }
};
INSTANTIATE_TEST_SUITE_P(InPlaceOrNot, SubscriptionsUndone, ::testing::Bool());

TEST_F(Subscriptions, FirstTheLogThenWhatHappens) {
  options_.segment_bytes = 1024;
  open();
  commit({11, 12, 13});
  Subscription all = subscribe(from(0));
  Subscription later = subscribe({});
  EXPECT_EQ(drain(later), Texts{});
  EXPECT_EQ(drain(all), (Texts{"+1:11", "+2:12", "+3:13"}));
  for (std::uint64_t tag = 14; tag < 24; ++tag) {
    commit({tag});
    const Texts expected{"+" + std::to_string(tag - 10) + ":" + std::to_string(tag)};
    EXPECT_EQ(drain(all), expected);
    EXPECT_EQ(drain(later), expected);
  }
}

TEST_F(Subscriptions, WaitForTheNextBlock) {
  open();
  Subscription subscription = subscribe({});
  std::jthread writer([&] { commit({5}); });
  const auto event = subscription.next(milliseconds::max());
  ASSERT_OK(event);
  ASSERT_TRUE(*event);
  EXPECT_EQ(text_of(**event), "+1:5");
  writer.join();
  const auto none = subscription.next(milliseconds(1));
  ASSERT_OK(none);
  EXPECT_FALSE(*none);
}

TEST_F(Subscriptions, FollowUntilAskedToStop) {
  open();
  commit({1, 2, 3, 4});
  Subscription subscription = subscribe(from(0));
  Texts texts;
  EXPECT_OK(subscription.follow({}, [&](const ChangeEvent& event) {
    texts.push_back(text_of(event));
    return texts.size() < 2;
  }));
  EXPECT_EQ(texts, (Texts{"+1:1", "+2:2"}));
  std::stop_source stop;
  EXPECT_OK(subscription.follow(stop.get_token(), [&](const ChangeEvent& event) {
    texts.push_back(text_of(event));
    if (event.at.version == 4) stop.request_stop();
    return true;
  }));
  EXPECT_EQ(texts.size(), 4U);
  // A stop ends a wait, too.
  std::stop_source waiting;
  std::jthread follower([&] {
    EXPECT_OK(subscription.follow(waiting.get_token(), [](const auto&) { return true; }));
  });
  waiting.request_stop();
  follower.join();
  commit({5});
  const auto thrown = subscription.follow(
      {}, [](const ChangeEvent&) -> bool { throw std::runtime_error("the caller's"); });
  EXPECT_FALSE(thrown);
  EXPECT_EQ(drain(subscription), Texts{});  // it counts as delivered
}

TEST_P(SubscriptionsUndone, AnUndoComesBeforeTheBlocksOfTheOtherBranch) {
  open_with_snapshot();
  commit({11, 12, 13, 14});
  Subscription at_tip = subscribe(from(0));
  Subscription below = subscribe(from(0));
  Subscription behind = subscribe(from(0));
  EXPECT_EQ(drain(at_tip).size(), 4U);
  ASSERT_OK(below.next(milliseconds(0)));
  ASSERT_OK(store_->rollback(2));
  EXPECT_EQ(drain(at_tip), Texts{"-2"});
  commit({23, 24});
  EXPECT_EQ(drain(at_tip), (Texts{"+3:23", "+4:24"}));
  // These were never told of what is gone.
  EXPECT_EQ(drain(below), (Texts{"+2:12", "+3:23", "+4:24"}));
  EXPECT_EQ(drain(behind), (Texts{"+1:11", "+2:12", "+3:23", "+4:24"}));
  const auto cursor = at_tip.cursor();
  ASSERT_OK(cursor);
  ASSERT_EQ(cursor->blocks.size(), 5U);
  EXPECT_EQ(cursor->blocks.back().chain, store_->log_record(4).value()->chain);
}

TEST_P(SubscriptionsUndone, SeveralUndosAreOneToTheLowest) {
  open_with_snapshot();
  commit({11, 12, 13, 14, 15});
  Subscription subscription = subscribe(from(0));
  EXPECT_EQ(drain(subscription).size(), 5U);
  ASSERT_OK(store_->rollback(4));
  ASSERT_OK(store_->rollback(1));
  commit({22, 23, 24});
  ASSERT_OK(store_->rollback(3));
  commit({34});
  EXPECT_EQ(drain(subscription), (Texts{"-1", "+2:22", "+3:23", "+4:34"}));
}

#ifdef FLATKV_FAILPOINTS
TEST_F(Subscriptions, OfAnUndoThatFailsNothingAboveItsVersionIsDelivered) {
  for (const char* site : {"changelog.undo.before_mark", "changelog.undo.segment_gone",
                           "changelog.undo.truncated", "changelog.undo.unmarked"}) {
    SCOPED_TRACE(site);
    remove_tree(path());
    options_.rollback_depth = 16;
    options_.segment_bytes = 1024;
    open();
    commit({11, 12, 13, 14, 15, 16, 17, 18});
    Subscription below = subscribe(from(0));
    ASSERT_OK(below.next(milliseconds(0)));
    Subscription above = subscribe({});
    failpoint::arm(site, [] { return fail(ErrorCode::io, "injected"); });
    EXPECT_FALSE(store_->rollback(3));
    failpoint::disarm_all();
    EXPECT_EQ(drain(below), (Texts{"+2:12", "+3:13", "store_failed"}));
    EXPECT_EQ(drain(above), Texts{"store_failed"});
    store_.reset();
  }
}
#endif

TEST_F(Subscriptions, ACursorGoesOnWhereItWas) {
  open();
  commit({11, 12, 13});
  Subscription first = subscribe(from(0));
  ASSERT_OK(first.next(milliseconds(0)));
  ASSERT_OK(first.next(milliseconds(0)));
  const auto cursor = first.cursor();
  ASSERT_OK(cursor);
  EXPECT_EQ(cursor->blocks.size(), 3U);  // and where it began
  close();
  EXPECT_EQ(drain(first), Texts{"store_failed"});
  open();
  commit({14});
  const auto stored = Cursor::decode(cursor->encode().value());
  ASSERT_OK(stored);
  Subscription second = resume(*stored);
  EXPECT_EQ(drain(second), (Texts{"+3:13", "+4:14"}));
  EXPECT_EQ(second.cursor()->blocks.size(), 5U);
  Subscription third = resume(*second.cursor());
  EXPECT_EQ(drain(third), Texts{});
}

TEST_F(Subscriptions, ACursorHasNoMoreBlocksThanAskedFor) {
  open();
  commit_many(9);
  SubscribeOptions options = from(0);
  options.depth = 3;
  Subscription subscription = subscribe(options);
  drain(subscription);
  const auto cursor = subscription.cursor();
  ASSERT_OK(cursor);
  ASSERT_EQ(cursor->blocks.size(), 4U);
  EXPECT_EQ(cursor->blocks.front().version, 6);
}

TEST_P(SubscriptionsUndone, WhoWasAwayGetsOneUndo) {
  open_with_snapshot();
  commit({11, 12, 13, 14, 15});
  Subscription away = subscribe(from(0));
  drain(away);
  const Cursor cursor = *away.cursor();
  close();
  ASSERT_OK(rollback(path(), 2));
  open();
  commit({23});
  for (int round = 0; round < 2; ++round) {
    Subscription back = resume(cursor);
    EXPECT_EQ(drain(back), (Texts{"-2", "+3:23"}));
    EXPECT_EQ(back.cursor()->blocks.size(), 4U);
    commit({24, 25, 26, 27});  // longer than the branch that is gone
    EXPECT_EQ(drain(back), (Texts{"+4:24", "+5:25", "+6:26", "+7:27"}));
    ASSERT_OK(store_->rollback(3));
  }
}

TEST_P(SubscriptionsUndone, FurtherThanTheCursorReachesIsAGap) {
  open_with_snapshot();
  commit_many(8);
  SubscribeOptions options = from(0);
  options.depth = 2;
  Subscription away = subscribe(options);
  drain(away);
  const Cursor cursor = *away.cursor();
  ASSERT_OK(store_->rollback(5));
  commit({26, 27, 28, 29});
  options = {};
  options.cursor = cursor;
  const auto refused = store_->subscribe(options);
  EXPECT_TRUE(fails(refused, ErrorCode::log_gap));
  EXPECT_TRUE(refused.error().message.ends_with("the changelog begins with version 1"))
      << refused.error().message;
  EXPECT_EQ(drain(away), (Texts{"-5", "+6:26", "+7:27", "+8:28", "+9:29"}));  // it was there
}

TEST_F(Subscriptions, ACursorOfAnotherStoreIsRefused) {
  open();
  commit({1});
  Subscription subscription = subscribe(from(0));
  drain(subscription);
  SubscribeOptions options;
  options.cursor = *subscription.cursor();
  options.cursor->store[0] ^= 1U;
  EXPECT_TRUE(fails(store_->subscribe(options), ErrorCode::foreign_store));
  options.cursor = Cursor{};
  EXPECT_TRUE(fails(store_->subscribe(options), ErrorCode::invalid_argument));
}

TEST_F(Subscriptions, OptionsThatMakeNoSenseAreRefused) {
  open();
  commit({1, 2});
  Subscription subscription = subscribe(from(0));
  const auto refused = [&](const auto& change, ErrorCode code) {
    SubscribeOptions options;
    change(options);
    EXPECT_TRUE(fails(store_->subscribe(options), code));
  };
  using Options = SubscribeOptions;
  refused([](Options& options) { options.depth = 4097; }, ErrorCode::invalid_argument);
  refused([](Options& options) { options.deliver = static_cast<Deliver>(9); },
          ErrorCode::invalid_argument);
  refused([](Options& options) { options.name = "a b"; }, ErrorCode::invalid_argument);
  refused([](Options& options) { options.name = std::string(65, 'a'); },
          ErrorCode::invalid_argument);
  refused([](Options& options) { options.after = 3; }, ErrorCode::version_mismatch);
  refused([](Options& options) { options.after = -1; }, ErrorCode::log_gap);
  refused(
      [&](Options& options) {
        options.cursor = *subscription.cursor();
        options.after = 1;
      },
      ErrorCode::invalid_argument);
  refused(
      [&](Options& options) {
        options.cursor = *subscription.cursor();
        options.deliver = Deliver::committed;
      },
      ErrorCode::invalid_argument);
  ASSERT_OK(store_->close());
  refused([](Options&) {}, ErrorCode::store_failed);
}

TEST_F(Subscriptions, OnlyDurableBlocksUnlessAskedForAll) {
  options_.durability = Durability::process;
  open();
  Subscription durable = subscribe(from(0));
  SubscribeOptions options = from(0);
  options.deliver = Deliver::committed;
  Subscription committed = subscribe(options);
  commit({11, 12});
  EXPECT_EQ(drain(durable), Texts{});
  EXPECT_EQ(drain(committed), (Texts{"+1:11", "+2:12"}));
  EXPECT_TRUE(fails(committed.cursor(), ErrorCode::unsupported));
  ASSERT_OK(store_->wait_durable(2));
  EXPECT_EQ(drain(durable), (Texts{"+1:11", "+2:12"}));
  commit({13});
  EXPECT_EQ(drain(durable), Texts{});
  ASSERT_OK(store_->flush());  // syncs the log
  EXPECT_EQ(drain(durable), Texts{"+3:13"});
}

#ifdef FLATKV_FAILPOINTS
/// A flush syncs the log as far as it goes, also beyond what it flushes.
TEST_F(Subscriptions, AllThatAFlushMadeDurableIsDelivered) {
  options_.durability = Durability::process;
  options_.snapshot.interval = 2;
  open();
  Subscription durable = subscribe(from(0));
  std::atomic<bool> goes_on = false;
  failpoint::arm("flush.begin", [&goes_on] {
    goes_on.wait(false);
    return Status{};
  });
  commit({11, 12, 13});
  goes_on = true;
  goes_on.notify_all();
  while (store_->metrics().flushes == 0) std::this_thread::yield();
  failpoint::disarm_all();
  EXPECT_EQ(store_->durable_version(), 3);
  EXPECT_EQ(drain(durable), (Texts{"+1:11", "+2:12", "+3:13"}));
}
#endif

TEST_F(Subscriptions, WhatARollbackMadeDurableIsDelivered) {
  options_.durability = Durability::process;
  open_with_snapshot();
  commit({11, 12, 13, 14});
  Subscription durable = subscribe(from(0));
  EXPECT_EQ(drain(durable), Texts{});
  ASSERT_OK(store_->rollback(3));
  EXPECT_EQ(store_->durable_version(), 3);
  EXPECT_EQ(drain(durable), (Texts{"+1:11", "+2:12", "+3:13"}));
  EXPECT_OK(store_->subscribe(from(3)));
}

TEST_F(Subscriptions, ATimeoutInThePastDoesNotWait) {
  open();
  Subscription subscription = subscribe({});
  for (const auto timeout :
       {milliseconds(-1), milliseconds(-10'000'000'000'000), milliseconds::min()}) {
    const auto none = subscription.next(timeout);
    ASSERT_OK(none);
    EXPECT_FALSE(*none);
  }
}

TEST_F(Subscriptions, AGroupSyncWakesThoseWhoWait) {
  options_.durability = Durability::group;
  options_.group_blocks = 1000;
  open();
  Subscription subscription = subscribe({});
  commit({7});
  const auto event = subscription.next(milliseconds::max());
  ASSERT_OK(event);
  EXPECT_EQ(text_of(**event), "+1:7");
  EXPECT_GE(store_->durable_version(), 1);
}

TEST_F(Subscriptions, AClosedStoreEndsTheWait) {
  open();
  Subscription subscription = subscribe({});
  std::jthread waiting(
      [&] { EXPECT_TRUE(fails(subscription.next(milliseconds::max()), ErrorCode::store_failed)); });
  ASSERT_OK(store_->close());
  waiting.join();
  Subscription moved = std::move(subscription);
  store_.reset();
  EXPECT_EQ(drain(moved), Texts{"store_failed"});
}

TEST_F(Subscriptions, AFailedStoreDeliversWhatIsDurableAndThenSaysSo) {
  open();
  commit({11, 12});
  Subscription behind = subscribe(from(0));
  Subscription waits = subscribe({});
  std::jthread waiting(
      [&] { EXPECT_TRUE(fails(waits.next(milliseconds::max()), ErrorCode::store_failed)); });
  stdfs::rename(path(), path() + "-moved");  // a commit finds its store gone
  EXPECT_FALSE(store_->commit(3));
  waiting.join();
  stdfs::rename(path() + "-moved", path());
  EXPECT_EQ(drain(behind), (Texts{"+1:11", "+2:12", "store_failed"}));
}

TEST_F(Subscriptions, BlocksThatWerePrunedAreAGap) {
  options_.segment_bytes = 2048;
  options_.snapshot.keep = 0;
  open();
  Subscription slow = subscribe(from(0));
  commit_many(20);
  ASSERT_OK(store_->snapshot());
  EXPECT_EQ(drain(slow), Texts{"log_gap"});
  EXPECT_TRUE(fails(store_->subscribe(from(0)), ErrorCode::log_gap));
  SubscribeOptions options;
  options.cursor = *slow.cursor();
  EXPECT_TRUE(fails(store_->subscribe(options), ErrorCode::log_gap));
}

/// Where a subscriber has yet to read, the log was changed behind the store's back.
class SubscriptionsDamaged : public ChangesFixture {
 protected:
  SubscriptionsDamaged() {
    options_.segment_bytes = 2048;
    options_.snapshot.keep = 0;
  }
  /// The first version in it.
  static std::int64_t version_of(const std::string& segment) {
    return std::stoll(stdfs::path(segment).stem().string());
  }
  /// Of a subscription from `after` on: whether it is refused, or delivers blocks and then fails.
  Error error_from(std::int64_t after) {
    auto subscription = store_->subscribe(from(after));
    while (subscription) {
      const auto event = subscription->next(milliseconds(0));
      if (!event) return event.error();
      if (!*event) return {};
    }
    return subscription.error();
  }
};

TEST_F(SubscriptionsDamaged, AFlippedBitIsNamedWithItsPlace) {
  open();
  commit_many(40);
  ASSERT_GT(segments(path()).size(), 3U);
  const std::string damaged = segments(path())[1];
  Bytes content = read_file(damaged);
  content[content.size() / 2] ^= 1;
  write_file(damaged, content);
  for (const std::int64_t after :
       {std::int64_t{0}, version_of(damaged), version_of(segments(path())[2]) - 2}) {
    const Error error = error_from(after);
    EXPECT_EQ(error.code, ErrorCode::corruption) << after << ": " << error.to_string();
    EXPECT_EQ(error.path, damaged);
    EXPECT_TRUE(error.offset && *error.offset <= content.size() / 2) << error.to_string();
    EXPECT_TRUE(error.version);
  }
  EXPECT_TRUE(error_from(version_of(segments(path())[2]) - 1).message.empty());  // above it
}

TEST_F(SubscriptionsDamaged, ASegmentThatIsGoneIsAGap) {
  open();
  commit_many(40);
  const auto all = segments(path());
  ASSERT_GT(all.size(), 4U);
  stdfs::remove(all[2]);
  const std::int64_t last = version_of(all[2]) - 1;  // before it
  const Error behind = error_from(last + 1);
  EXPECT_EQ(behind.code, ErrorCode::log_gap);
  EXPECT_EQ(behind.version, last + 2);
  EXPECT_NE(
      behind.message.find("a part of the changelog ends with version " + std::to_string(last)),
      std::string::npos)
      << behind.to_string();
  for (const std::string& one : all) stdfs::remove(one);
  const Error none = error_from(1);
  EXPECT_EQ(none.code, ErrorCode::log_gap);
  EXPECT_NE(none.message.find("there is no changelog"), std::string::npos) << none.to_string();
}

TEST_F(SubscriptionsDamaged, ASegmentOfAnotherStoreIsRefused) {
  open();
  commit_many(40);
  const auto all = segments(path());
  auto other = CommitStore::open(directory_.path("other"), options_);
  ASSERT_OK(other);
  for (int i = 0; i < 40; ++i) {
    ASSERT_OK(other->apply(BlockBuilder().set_nonce(address(1), 1)));
    ASSERT_OK(other->commit(other->version() + 1));
  }
  const std::string name = stdfs::path(all[1]).filename();
  stdfs::copy_file(live_generation(directory_.path("other")) + "/changelog/" + name, all[1],
                   stdfs::copy_options::overwrite_existing);
  const Error error = error_from(version_of(all[1]));
  EXPECT_EQ(error.code, ErrorCode::foreign_store) << error.to_string();
  EXPECT_EQ(error.path, all[1]);
}

}  // namespace
}  // namespace flatkv::test

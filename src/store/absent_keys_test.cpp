// SPDX-License-Identifier: Apache-2.0
#include "store/absent_keys.hpp"

#include <future>

#include "base/failpoint.hpp"
#include "store/commit_store.hpp"
#include "store/test_store.hpp"

namespace flatkv::store {
namespace {

constexpr unsigned kRows = 3000;
/// Enough for the rows that are there, not for those to come.
constexpr std::uint64_t kTooFewBytes = 8 << 10;

AbsentKeys& absent_keys(CommitStore& store) { return store.impl().core().absent_keys(); }

/// New slots of one account.
Block new_slots(unsigned account, unsigned count = kRows) {
  Block block;
  for (unsigned i = 0; i < count; ++i) block.slot(account, i, i + 1);
  return block;
}

/// Committed to both, with the same roots. Returns how many keys the first did not look for.
std::uint64_t commit_to_both(Block block, CommitStore& with, CommitStore& without) {
  const std::uint64_t before = with.metrics().key_filter_answers;
  EXPECT_EQ(must(block.commit(with)), must(block.commit(without)));
  return with.metrics().key_filter_answers - before;
}

class TwoStores : public ::testing::Test {
 protected:
  /// One with filters of at most so many bytes and one without, on copies of the same rows.
  void open(std::uint64_t most_bytes) {
    for (const char* name : {"with", "without"}) {
      CommitStore store = open_new(dir_ / name);
      must(new_slots(1).commit(store));
      must(store.close());
    }
    Options options;
    options.key_filter = most_bytes;
    with_.emplace(must(CommitStore::open(dir_ / "with", options)));
    options.key_filter = 0;
    without_.emplace(must(CommitStore::open(dir_ / "without", options)));
  }
  std::uint64_t commit(Block block) { return commit_to_both(std::move(block), *with_, *without_); }

  const TempDir dir_;
  std::optional<CommitStore> with_;
  std::optional<CommitStore> without_;
};

TEST_F(TwoStores, AFilterOfARowsScanAnswersForNewKeys) {
  open(Options{}.key_filter);
  EXPECT_EQ(commit(new_slots(2)), 0U) << "nothing is known of what was there before";
  absent_keys(*with_).wait();
  EXPECT_GT(with_->metrics().key_filter_memory, 0U);
  EXPECT_GT(commit(new_slots(3)), kRows * 9 / 10);
  // Keys of the scan, of blocks after it, deleted ones, and deleted ones that come again.
  EXPECT_EQ(commit(new_slots(1)), 0U);
  EXPECT_EQ(commit(new_slots(2)), 0U);
  EXPECT_EQ(commit(new_slots(3)), 0U);
  Block gone;
  for (unsigned i = 0; i < kRows; i += 2) gone.remove(Block::slot_key(3, i));
  commit(gone);
  must(with_->flush());
  must(without_->flush());
  commit(new_slots(3));
  Block mixed = new_slots(4);
  mixed.remove(Block::slot_key(1, 7)).remove(Block::slot_key(5, 5)).slot(3, 1, 0);
  EXPECT_GT(commit(mixed), kRows * 9 / 10);
  expect_verified(*with_);
  EXPECT_EQ(without_->metrics().key_filter_answers, 0U);
}

TEST_F(TwoStores, WhatDoesNotFitIsLookedForInTables) {
  open(kTooFewBytes);
  commit(new_slots(2));
  absent_keys(*with_).wait();
  EXPECT_EQ(commit(new_slots(3)), 0U);
  expect_verified(*with_);
}

TEST_F(TwoStores, AScanThatFailsEndsIt) {
#ifdef FLATKV_FAILPOINTS
  open(Options{}.key_filter);
  failpoint::arm("absent_keys.scan", [] { return fail(ErrorCode::io, "a bad block"); });
  commit(new_slots(2));
  absent_keys(*with_).wait();
  EXPECT_EQ(commit(new_slots(3)), 0U);
  EXPECT_EQ(commit(new_slots(4)), 0U);
  expect_verified(*with_);
#else
  GTEST_SKIP() << "needs failpoints";
#endif
}

TEST_F(TwoStores, AScanKeepsNoBuffers) {
#ifdef FLATKV_FAILPOINTS
  open(Options{}.key_filter);
  std::promise<void> reached;
  std::promise<void> go_on;
  failpoint::arm("absent_keys.scan", [&] {
    reached.set_value();
    go_on.get_future().wait();
    return Status();
  });
  std::weak_ptr<engine::RowBuffer> buffer = with_->impl().core->state()->databases[2].active;
  commit(new_slots(2));
  reached.get_future().wait();
  must(with_->flush());
  EXPECT_TRUE(buffer.expired());
  go_on.set_value();
  absent_keys(*with_).wait();
  EXPECT_EQ(commit(new_slots(2)), 0U);  // what was only in the buffer is known
  EXPECT_GT(commit(new_slots(3)), kRows * 9 / 10);
  expect_verified(*with_);
#else
  GTEST_SKIP() << "needs failpoints";
#endif
}

TEST(AbsentKeys, AnEmptyStoreIsKnownFromTheStart) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s");
  must(new_slots(1).commit(store));
  EXPECT_GT(store.metrics().key_filter_answers, kRows * 9 / 10);
  must(store.flush());
  must(new_slots(2).commit(store));
  EXPECT_GT(store.metrics().key_filter_answers, 2 * kRows * 9 / 10);
  must(store.close());
  store = must(CommitStore::open(dir / "s"));  // not empty: nothing is known of it
  must(new_slots(3).commit(store));
  EXPECT_EQ(store.metrics().key_filter_answers, 0U);
  expect_verified(store);
}

TEST(AbsentKeys, AScanHoldsUpNoClose) {
  const TempDir dir;
  {
    CommitStore store = open_new(dir / "s");
    for (unsigned account = 1; account < 40; ++account) must(new_slots(account).commit(store));
    must(store.close());
  }
  CommitStore store = must(CommitStore::open(dir / "s"));
  for (unsigned account = 40; account < 44; ++account) must(new_slots(account).commit(store));
  must(store.close());
  EXPECT_TRUE(must(CommitStore::open(dir / "s")).open_report().clean);
}

}  // namespace
}  // namespace flatkv::store

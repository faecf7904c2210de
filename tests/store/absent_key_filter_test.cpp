// SPDX-License-Identifier: Apache-2.0
#include "block/absent_key_filter.hpp"

#include <atomic>
#include <future>
#include <thread>

#include "base/failpoint.hpp"
#include "base/internals.hpp"
#include "memory/key_hash.hpp"
#include "store/commit_store.hpp"
#include "store/test_store.hpp"

namespace flatkv::test {
namespace {

constexpr unsigned kRows = 3000;
/// Enough for the rows that exist, not for those to come.
constexpr std::uint64_t kTooFewBytes = 8 << 10;

block::AbsentKeyFilter& absent_key_filter(CommitStore& store) {
  return Internals::impl(store).core().absent_key_filter();
}

memtable::Stamp stamp(CommitStore& store) { return Internals::impl(store).core().state()->stamp; }

/// New slots of one account.
store::Block new_slots(unsigned account, unsigned count = kRows) {
  store::Block block;
  for (unsigned i = 0; i < count; ++i) block.slot(account, i, i + 1);
  return block;
}

/// Commits the block to both stores, with the same roots. Returns how many keys the first store did
/// not look up.
std::uint64_t commit_to_both(store::Block block, CommitStore& with, CommitStore& without) {
  const std::uint64_t before = with.metrics().key_filter_answers;
  EXPECT_EQ(store::must(block.commit(with)), store::must(block.commit(without)));
  return with.metrics().key_filter_answers - before;
}

class TwoStores : public ::testing::Test {
 protected:
  /// Opens one store with filters of at most `most_bytes` and one without, on copies of the same
  /// rows.
  void open(std::uint64_t most_bytes) {
    for (const char* name : {"with", "without"}) {
      CommitStore store = store::open_new(dir_ / name);
      store::must(new_slots(1).commit(store));
      store::must(store.close());
    }
    Options options;
    options.cache.key_filter_bytes = most_bytes;
    options.recent_versions = 0;  // they would keep buffers, too
    with_.emplace(store::must(CommitStore::open(dir_ / "with", options)));
    options.cache.key_filter_bytes = 0;
    without_.emplace(store::must(CommitStore::open(dir_ / "without", options)));
  }
  std::uint64_t commit(store::Block block) {
    return commit_to_both(std::move(block), *with_, *without_);
  }

  const store::TempDir dir_;
  std::optional<CommitStore> with_;
  std::optional<CommitStore> without_;
};

TEST_F(TwoStores, AFilterOfARowsScanAnswersForNewKeys) {
  open(Options{}.cache.key_filter_bytes);
  EXPECT_EQ(commit(new_slots(2)), 0U) << "nothing is known of what was there before";
  absent_key_filter(*with_).wait();
  EXPECT_GT(with_->metrics().key_filter_memory, 0U);
  EXPECT_GT(commit(new_slots(3)), kRows * 9 / 10);
  // Keys of the scan, keys of later blocks, deleted keys, and deleted keys that are set again.
  EXPECT_EQ(commit(new_slots(1)), 0U);
  EXPECT_EQ(commit(new_slots(2)), 0U);
  EXPECT_EQ(commit(new_slots(3)), 0U);
  store::Block gone;
  for (unsigned i = 0; i < kRows; i += 2) gone.remove(store::Block::slot_key(3, i));
  commit(gone);
  store::must(with_->flush());
  store::must(without_->flush());
  commit(new_slots(3));
  store::Block mixed = new_slots(4);
  mixed.remove(store::Block::slot_key(1, 7)).remove(store::Block::slot_key(5, 5)).slot(3, 1, 0);
  EXPECT_GT(commit(mixed), kRows * 9 / 10);
  store::expect_verified(*with_);
  EXPECT_EQ(without_->metrics().key_filter_answers, 0U);
}

TEST_F(TwoStores, WhatDoesNotFitIsLookedForInTables) {
  open(kTooFewBytes);
  commit(new_slots(2));
  absent_key_filter(*with_).wait();
  EXPECT_EQ(commit(new_slots(3)), 0U);
  EXPECT_LT(with_->metrics().key_filter_memory, kTooFewBytes / 8) << "it is released";
  store::expect_verified(*with_);
}

/// A key that was deleted before the scan is in no filter, and older states have it.
TEST_F(TwoStores, StatesBeforeTheScanGetNoAnswers) {
  open(Options{}.cache.key_filter_bytes);
  commit(new_slots(2));  // so many lookups in vain that the scan of this state starts
  absent_key_filter(*with_).wait();
  const memtable::Stamp scanned = stamp(*with_);
  commit(new_slots(3));
  EXPECT_EQ(absent_key_filter(*with_).answers(Database::storage, scanned - 1), nullptr);
  EXPECT_NE(absent_key_filter(*with_).answers(Database::storage, scanned), nullptr);
  EXPECT_NE(absent_key_filter(*with_).answers(Database::storage, scanned + 1), nullptr);
}

/// Other threads ask while the writer adds keys and begins new filters: a key that was committed
/// before they asked is never called absent.
TEST_F(TwoStores, AnswersBesideAdditions) {
  open(Options{}.cache.key_filter_bytes);
  commit(new_slots(2));
  absent_key_filter(*with_).wait();
  std::atomic<unsigned> committed = 2;
  std::atomic<bool> stop = false;
  std::jthread reader([&] {
    while (!stop) {
      const unsigned account = committed;
      const auto filters = absent_key_filter(*with_).answers(Database::storage, stamp(*with_));
      ASSERT_NE(filters, nullptr);
      for (unsigned i = 0; i < kRows; i += 37) {
        const Bytes key = store::Block::slot_key(account, i);
        ASSERT_FALSE(filters->surely_absent(memory::key_hash(ByteView(key).subspan(1))));
      }
    }
  });
  for (unsigned account = 3; account < 40; ++account) {
    store::must(new_slots(account).commit(*with_));
    committed = account;
  }
  stop = true;
}

TEST_F(TwoStores, AScanThatFailsEndsIt) {
#ifdef FLATKV_FAILPOINTS
  open(Options{}.cache.key_filter_bytes);
  failpoint::arm("absent_key_filter.scan", [] { return fail(ErrorCode::io, "a bad block"); });
  commit(new_slots(2));
  absent_key_filter(*with_).wait();
  EXPECT_EQ(commit(new_slots(3)), 0U);
  EXPECT_EQ(commit(new_slots(4)), 0U);
  store::expect_verified(*with_);
#else
  GTEST_SKIP() << "needs failpoints";
#endif
}

TEST_F(TwoStores, AScanKeepsNoBuffers) {
#ifdef FLATKV_FAILPOINTS
  open(Options{}.cache.key_filter_bytes);
  std::promise<void> reached;
  std::promise<void> go_on;
  failpoint::arm("absent_key_filter.scan", [&] {
    reached.set_value();
    go_on.get_future().wait();
    return Status();
  });
  std::weak_ptr<memtable::Memtable> buffer =
      Internals::impl(*with_).core().state()->of(Database::storage).active;
  commit(new_slots(2));
  reached.get_future().wait();
  store::must(with_->flush());
  EXPECT_TRUE(buffer.expired());
  go_on.set_value();
  absent_key_filter(*with_).wait();
  EXPECT_EQ(commit(new_slots(2)), 0U);  // keys that were only in the buffer are known
  EXPECT_GT(commit(new_slots(3)), kRows * 9 / 10);
  store::expect_verified(*with_);
#else
  GTEST_SKIP() << "needs failpoints";
#endif
}

TEST(AbsentKeyFilter, AnEmptyStoreIsKnownFromTheStart) {
  const store::TempDir dir;
  CommitStore store = store::open_new(dir / "s");
  store::must(new_slots(1).commit(store));
  EXPECT_GT(store.metrics().key_filter_answers, kRows * 9 / 10);
  store::must(store.flush());
  store::must(new_slots(2).commit(store));
  EXPECT_GT(store.metrics().key_filter_answers, 2 * kRows * 9 / 10);
  store::must(store.close());
  store = store::must(CommitStore::open(dir / "s"));  // not empty: no filter yet
  store::must(new_slots(3).commit(store));
  EXPECT_EQ(store.metrics().key_filter_answers, 0U);
  store::expect_verified(store);
}

TEST(AbsentKeyFilter, AScanHoldsUpNoClose) {
  const store::TempDir dir;
  {
    CommitStore store = store::open_new(dir / "s");
    for (unsigned account = 1; account < 40; ++account)
      store::must(new_slots(account).commit(store));
    store::must(store.close());
  }
  CommitStore store = store::must(CommitStore::open(dir / "s"));
  for (unsigned account = 40; account < 44; ++account)
    store::must(new_slots(account).commit(store));
  store::must(store.close());
  EXPECT_TRUE(store::must(CommitStore::open(dir / "s")).open_report().clean);
}

}  // namespace
}  // namespace flatkv::test

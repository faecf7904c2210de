// SPDX-License-Identifier: Apache-2.0
// Rows that are loaded before a block needs them.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "base/bytes.hpp"
#include "support/slow_store.hpp"

namespace flatkv::test {
namespace {

using rocks::SlowTables;

class Prefetch : public SlowStore {
 protected:
  Prefetch() {
    options_.reads.in_flight = 8;
    for (std::uint64_t i = 0; i < kSlots; ++i) keys_.push_back(storage_key(address(1), slot(i)));
    asked_.assign(keys_.begin(), keys_.end());
    nonce_ = nonce_key(address(1));
    asked_.emplace_back(nonce_);
  }
  /// All that was asked for is done with.
  void settle() {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (;;) {
      const PrefetchMetrics now = store_->metrics().prefetch;
      if (now.asked == now.loaded + now.hit + now.dropped) return;
      ASSERT_LT(std::chrono::steady_clock::now(), until) << "rows are lost";
      std::this_thread::yield();
    }
  }
  void until_reading(std::uint64_t reads_before) {
    while (tables_.reads() == reads_before) std::this_thread::yield();
  }

  std::vector<StorageKey> keys_;
  std::remove_cvref_t<decltype(nonce_key(Address{}))> nonce_{};
  std::vector<ByteView> asked_;
};

/// Holds reads back.
struct Gate {
  std::atomic<bool> open = false;
  SlowTables::BeforeRead reads() {
    return [this](std::uint64_t, std::size_t) {
      open.wait(false);
      return rocksdb::IOStatus::OK();
    };
  }
  void lift() {
    open = true;
    open.notify_all();
  }
};

TEST_F(Prefetch, ABlockFindsItsRowsInMemory) {
  open();
  block(all_slots(1));
  reopen();
  ASSERT_OK(store_->prefetch(asked_));
  settle();
  const StoreMetrics loaded = store_->metrics();
  EXPECT_EQ(loaded.prefetch.asked, asked_.size());
  EXPECT_EQ(loaded.prefetch.loaded, asked_.size());
  EXPECT_EQ(loaded.table_reads, asked_.size());
  const std::uint64_t reads = tables_.reads();
  block(all_slots(2));
  EXPECT_EQ(tables_.reads(), reads);
  EXPECT_EQ(store_->metrics().table_reads, asked_.size());
  // They are in a buffer now.
  ASSERT_OK(store_->prefetch(asked_));
  settle();
  EXPECT_EQ(store_->metrics().prefetch.hit, asked_.size());
  EXPECT_EQ(store_->metrics().prefetch.loaded, asked_.size());
  check();
}

TEST_F(Prefetch, ABlockReadsNothingThatIsBeingRead) {
  open();
  block(all_slots(1));
  for (std::uint64_t round = 0; round < 5; ++round) {
    SCOPED_TRACE(round);
    reopen();
    Gate gate;
    tables_.before_read(gate.reads());
    const std::uint64_t before = tables_.reads();
    ASSERT_OK(store_->prefetch(asked_));
    until_reading(before);
    const std::jthread later([&] {
      std::this_thread::yield();
      gate.lift();
    });
    block(all_slots(round + 2));
    settle();
    const StoreMetrics after = store_->metrics();
    EXPECT_EQ(after.table_reads, asked_.size()) << "a row was read twice or not at all";
    EXPECT_EQ(after.prefetch.loaded + after.prefetch.dropped, asked_.size());
    EXPECT_GT(after.prefetch.loaded, 0U);
    check();
  }
}

TEST_F(Prefetch, WhatIsTooMuchIsDropped) {
  options_.reads.prefetch_rows = 100;
  open();
  block(all_slots(1));
  reopen();
  Gate gate;
  tables_.before_read(gate.reads());
  ASSERT_OK(store_->prefetch(asked_));
  EXPECT_EQ(store_->metrics().prefetch.dropped, asked_.size() - 100);
  gate.lift();
  settle();
  EXPECT_EQ(store_->metrics().prefetch.loaded, 100U);
  block(all_slots(2));
  check();
}

TEST_F(Prefetch, WithoutARowCacheNothingIsLoaded) {
  options_.cache.row_cache_bytes = 0;
  open();
  block(all_slots(1));
  reopen();
  ASSERT_OK(store_->prefetch(asked_));
  EXPECT_EQ(store_->metrics().prefetch.dropped, asked_.size());
  block(all_slots(2));
  check();
}

TEST_F(Prefetch, AReadThatFailsIsLeftToTheBlock) {
  open();
  block(all_slots(1));
  reopen();
  tables_.before_read([](std::uint64_t, std::size_t) {
    return rocksdb::IOStatus::IOError("injected", "a failed read");
  });
  ASSERT_OK(store_->prefetch(asked_));
  settle();
  EXPECT_EQ(store_->metrics().prefetch.dropped, asked_.size());
  EXPECT_TRUE(fails(store_->apply(all_slots(2).front()), ErrorCode::io));
  tables_.before_read({});
  block(all_slots(2));
  check();
}

TEST_F(Prefetch, RowsOfUncommittedBlocksAreNotAskedFor) {
  open();
  block(all_slots(1));
  reopen();
  auto parent = store_->overlay();
  ASSERT_OK(parent);
  ASSERT_OK(parent->apply(Changes().storage(address(1), slot(0), word(7))));
  auto child = parent->child();
  ASSERT_OK(child);
  ASSERT_OK(child->apply(Changes().storage(address(1), slot(1), word(8))));
  ASSERT_OK(child->prefetch(asked_));
  settle();
  EXPECT_EQ(store_->metrics().prefetch.asked, asked_.size() - 2);
  const std::uint64_t reads = tables_.reads();
  ASSERT_OK(child->get_many(asked_));
  EXPECT_EQ(tables_.reads(), reads);
}

TEST_F(Prefetch, ABadKeyOrAClosedStoreIsRefused) {
  open();
  block(all_slots(1));
  reopen();
  std::vector<ByteView> bad = asked_;
  bad.emplace_back();
  EXPECT_TRUE(fails(store_->prefetch(bad), ErrorCode::invalid_argument));
  EXPECT_EQ(store_->metrics().prefetch.asked, 0U);
  ASSERT_OK(store_->close());
  EXPECT_TRUE(fails(store_->prefetch(asked_), ErrorCode::store_failed));
}

TEST_F(Prefetch, AStoreClosesWhileRowsWait) {
  open();
  block(all_slots(1));
  for (int round = 0; round < 3; ++round) {
    reopen();
    const std::uint64_t before = tables_.reads();
    ASSERT_OK(store_->prefetch(asked_));
    until_reading(before);
    ASSERT_OK(store_->close());
    const PrefetchMetrics end = store_->metrics().prefetch;
    EXPECT_EQ(end.asked, end.loaded + end.hit + end.dropped);
    open();
  }
  check();
}

TEST_F(Prefetch, ARollbackGoesOnWithoutWhatWasAskedFor) {
  open();
  block(all_slots(1));
  ASSERT_OK(store_->snapshot());
  block(all_slots(2));
  reopen();
  const std::uint64_t before = tables_.reads();
  ASSERT_OK(store_->prefetch(asked_));
  until_reading(before);
  ASSERT_OK(store_->rollback(1));
  ASSERT_OK(store_->prefetch(asked_));
  settle();
  const auto value = store_->get(asked_.front());
  ASSERT_OK(value);
  EXPECT_TRUE(equal(**value, word(kSlots)));
}

}  // namespace
}  // namespace flatkv::test

// SPDX-License-Identifier: Apache-2.0
// Views, flushes and the row cache (docs/specification.md#states), and the handles on a store.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/bytes.hpp"
#include "support/fault_counts.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

class Views : public StoreFixture {};

// docs/hazards.md#unpinned-view
TEST_F(Views, ViewReadsItsVersionOverFlushes) {
  open();
  blocks(5);
  ASSERT_OK(store_->flush());
  blocks(3);
  std::vector<std::pair<ReadView, State>> kept;
  for (int i = 0; i < 6; ++i) {
    auto view = store_->view();
    ASSERT_OK(view);
    kept.emplace_back(std::move(*view), model_.committed());
    blocks(2);
    if (i % 2 == 0) {
      ASSERT_OK(store_->flush());
      for (const auto& [view_then, state] : kept) ASSERT_TRUE(view_is(view_then, state));
      count_fault("S19", Came::recovered);
    }
  }
  for (const auto& [view, state] : kept) {
    ASSERT_TRUE(view_is(view, state));
    Random random(1);
    for (int i = 0; i < 200; ++i) {
      const Bytes key = random_key(random, {});
      const auto found = view.get(key);
      ASSERT_OK(found);
      ASSERT_EQ(*found, state.get(key));
    }
  }
}

TEST_F(Views, ViewOutlivesSnapshotsAndTheHandle) {
  open();
  blocks(5);
  auto view = store_->view();
  ASSERT_OK(view);
  const State then = model_.committed();
  blocks(5);
  ASSERT_OK(store_->snapshot());
  blocks(2);
  close();
  EXPECT_TRUE(view_is(*view, then));
  if (!HasFailure()) count_fault("S17", Came::recovered);
}

// docs/hazards.md#late-close-deletes-files
TEST_F(Views, LockIsHeldUntilTheLastViewIsGone) {
  open();
  blocks(5);
  std::vector<ReadView> kept;
  {
    auto view = store_->view();
    ASSERT_OK(view);
    kept.push_back(std::move(*view));
  }
  close();
  EXPECT_TRUE(fails(try_open(), ErrorCode::locked));
  EXPECT_TRUE(view_is(kept.front(), model_.committed()));
  kept.clear();
  open();
  check_and_go_on();
  if (!HasFailure()) count_fault("S19", Came::refused);
}

// docs/hazards.md#stale-cache-entry
TEST_F(Views, StaleCacheEntryIsNeverServed) {
  options_.cache.row_cache_bytes = 256 << 10;
  options_.flush.write_buffer_bytes = 32 << 10;  // so that flushes never stop
  open();
  const Pools few{4, 4, 4, 20};
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> checked = 0;
  std::atomic<bool> wrong = false;
  blocks(1);
  const CommitStore& store = *store_;
  std::vector<std::thread> readers;
  for (std::uint64_t r = 0; r < 2; ++r) {
    readers.emplace_back([&, r] {
      Random random(r);
      while (!stop) {
        // Point reads must agree with the rows of the same view.
        const auto view = store.view();
        if (!view) {
          wrong = true;
          continue;
        }
        for (int i = 0; i < 8; ++i) {
          const Bytes key = random_key(random, few);
          if (key.size() != 53) continue;
          const auto point = view->get(key);
          const auto row = view->row(Database::storage, ByteView(key).subspan(1));
          auto walk = view->iterate(Database::storage);
          if (!point || !row || !walk) {
            wrong = true;
            continue;
          }
          walk->seek(ByteView(key).subspan(1));
          const bool there = walk->valid() && equal(walk->key(), ByteView(key).subspan(1));
          if (there != point->has_value() || *point != *row ||
              (there && !equal(walk->value(), **point))) {
            wrong = true;
          }
          ++checked;
        }
      }
    });
  }
  for (std::int64_t i = 0; i < 150 && !HasFatalFailure(); ++i) {
    block(script_block(5, model_.version() + 1, few));
    Random random(static_cast<std::uint64_t>(i));
    for (int n = 0; n < 10; ++n) {
      const Bytes key = random_key(random, few);
      const auto found = store_->get(key);
      ASSERT_OK(found);
      ASSERT_EQ(*found, model_.committed().get(key));
    }
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_FALSE(wrong);
  EXPECT_GT(checked, 100U);
  EXPECT_GT(store_->metrics().flushes, 3U);
  check();
  if (!HasFailure()) count_fault("S20", Came::recovered);
}

TEST_F(Views, ReadersAddUpToTheRootOfTheirVersion) {
  options_.flush.write_buffer_bytes = 32 << 10;
  open();
  blocks(3);
  std::atomic<bool> stop = false;
  std::atomic<int> rounds = 0;
  std::atomic<int> wrong = 0;
  const CommitStore& store = *store_;
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      while (!stop) {
        const auto view = store.view();
        if (!view) continue;
        const auto sum = sum_of_rows(*view);
        if (!sum || sum->checksum() != view->roots().root) ++wrong;
        ++rounds;
      }
    });
  }
  for (int i = 0; i < 60 && !HasFatalFailure(); ++i) blocks(1);
  while (rounds < 4) std::this_thread::yield();
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
  check();
}

TEST_F(Views, TooMuchKeptByViewsIsRefusedAndComesBack) {
  options_.max_view_bytes = 1 << 20;
  options_.flush.write_buffer_bytes = 1 << 20;
  open();
  std::vector<ReadView> kept;
  bool refused = false;
  std::uint64_t number = 0;
  for (int i = 0; i < 12 && !refused; ++i) {
    Changes changes;
    for (int n = 0; n < 300; ++n) changes.storage(address(1), slot(number++), Bytes(1000, 7));
    block({changes});
    auto view = store_->view();
    if (view) {
      kept.push_back(std::move(*view));
    } else {
      EXPECT_TRUE(fails(view, ErrorCode::no_space));
      refused = true;
    }
    ASSERT_OK(store_->flush());
  }
  EXPECT_TRUE(refused);
  EXPECT_GT(store_->metrics().view_memory, options_.max_view_bytes);
  kept.clear();
  EXPECT_OK(store_->view());
  check();
}

/// A block of a few megabytes, far more than a view of it may keep.
Changes large_block(std::uint64_t first) {
  Changes changes;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    changes.storage(address(1), slot(first + i), Bytes(1000, 7));
  }
  return changes;
}

constexpr std::uint64_t kLargeBlock = 3U << 20;

TEST_F(Views, NothingIsKeptByViewsThatAreNotThere) {
  options_.max_view_bytes = 1 << 20;
  open();
  block({large_block(0)});
  EXPECT_OK(store_->view());
  ASSERT_OK(store_->flush());
  // No block was committed since, and still the writer keeps nothing of what was flushed.
  EXPECT_EQ(store_->metrics().view_memory, 0U);
  EXPECT_OK(store_->view());
  check();
}

TEST_F(Views, AFlushedBufferGoesWithoutAnotherBlock) {
  options_.flush.write_buffer_bytes = 1 << 20;  // fewer pages are kept for reuse than the block has
  open();
  block({large_block(0)});
  ASSERT_OK(store_->flush());
  EXPECT_LT(store_->metrics().buffer_memory, kLargeBlock);
}

TEST_F(Views, WhatThePendingBlockKeepsIsTheWriters) {
  options_.max_view_bytes = 1 << 20;
  open();
  block({large_block(0)});
  ASSERT_OK(store_->apply(Changes().storage(address(1), slot(5), word(9))));
  auto view = store_->view();
  ASSERT_OK(view);
  ASSERT_OK(store_->flush());
  // The pending block's old values lie in the buffer, which it would keep without the view, too.
  EXPECT_EQ(store_->metrics().view_memory, 0U);
  EXPECT_GT(store_->metrics().buffer_memory, kLargeBlock);
  EXPECT_OK(store_->view());
  store_->discard();
  EXPECT_GT(store_->metrics().view_memory, kLargeBlock);
  EXPECT_TRUE(fails(store_->view(), ErrorCode::no_space));
  EXPECT_TRUE(view_is(*view, model_.committed()));
}

TEST_F(Views, IteratorsAreCountedLikeViews) {
  options_.max_view_bytes = 1 << 20;
  open();
  block({large_block(0)});
  std::optional<RowIterator> rows;
  {
    auto made = store_->iterate(Database::storage);
    ASSERT_OK(made);
    rows.emplace(std::move(*made));
  }
  ASSERT_OK(store_->flush());
  EXPECT_GT(store_->metrics().view_memory, kLargeBlock);
  EXPECT_TRUE(fails(store_->view(), ErrorCode::no_space));
  {
    const auto more = store_->iterate(Database::storage);  // of the state after the flush
    ASSERT_OK(more);
    rows.reset();
    EXPECT_EQ(store_->metrics().view_memory, 0U);
    EXPECT_OK(store_->view());
  }
}

TEST_F(Views, IteratorsStayBeyondTheirEnds) {
  open();
  blocks(3);
  const auto rows = [&](auto begin, auto step) {
    auto made = store_->iterate(Database::storage);
    EXPECT_TRUE(ok(made));
    std::size_t count = 0;
    for (begin(*made); made->valid(); step(*made)) ++count;
    EXPECT_GT(count, 1U);
    made->next();
    made->previous();
    EXPECT_FALSE(made->valid());
    EXPECT_TRUE(ok(made->status()));
    made->seek_to_first();
    EXPECT_TRUE(made->valid());
    return count;
  };
  EXPECT_EQ(rows([](auto& at) { at.seek_to_first(); }, [](auto& at) { at.next(); }),
            rows([](auto& at) { at.seek_to_last(); }, [](auto& at) { at.previous(); }));
}

TEST_F(Views, ADatabaseThatIsNoneHasNoRows) {
  open();
  for (const Database none : {Database::metadata, static_cast<Database>(9)}) {
    EXPECT_TRUE(fails(store_->row(none, Bytes{1}), ErrorCode::invalid_argument));
    EXPECT_TRUE(fails(store_->iterate(none), ErrorCode::invalid_argument));
  }
}

TEST_F(Views, OneBufferIsCountedOnceHoweverManyKeepIt) {
  options_.flush.write_buffer_bytes = 64U << 20;  // no flush before the one below
  open();
  block({large_block(0)});
  std::vector<ReadView> kept;
  for (int i = 0; i < 3; ++i) {
    auto view = store_->view();
    ASSERT_OK(view);
    kept.push_back(std::move(*view));
    block({Changes().storage(address(2), slot(1), word(static_cast<std::uint64_t>(i) + 1))});
  }
  ASSERT_OK(store_->flush());
  const std::uint64_t all = store_->metrics().view_memory;
  EXPECT_GT(all, kLargeBlock);
  EXPECT_LT(all, 2 * kLargeBlock);
  kept.erase(kept.begin());
  EXPECT_EQ(store_->metrics().view_memory, all);
  kept.clear();
  EXPECT_EQ(store_->metrics().view_memory, 0U);
}

TEST_F(Views, WhatViewsKeepIsCountedOverARollback) {
  options_.max_view_bytes = 1 << 20;
  open();
  blocks(2);
  ASSERT_OK(store_->snapshot());
  block({large_block(0)});
  std::optional<ReadView> view;
  {
    auto taken = store_->view();
    ASSERT_OK(taken);
    view.emplace(std::move(*taken));
  }
  ASSERT_OK(store_->rollback(2));
  EXPECT_GT(store_->metrics().view_memory, kLargeBlock);
  EXPECT_TRUE(fails(store_->view(), ErrorCode::no_space));
  view.reset();
  EXPECT_EQ(store_->metrics().view_memory, 0U);
  EXPECT_OK(store_->view());
}

TEST_F(Views, SecondCloseDoesNothing) {
  open();
  blocks(2);
  EXPECT_OK(store_->close());
  EXPECT_OK(store_->close());
  EXPECT_FALSE(store_->apply(Changes().nonce(address(1), 1)));
  EXPECT_FALSE(store_->commit(3));
  open();
  check();
}

TEST_F(Views, DurableVersionFollows) {
  options_.durability = Durability::sync;
  open();
  blocks(3);
  EXPECT_EQ(store_->durable_version(), 3);
  close();
  options_.durability = Durability::process;
  open();
  blocks(3);
  ASSERT_OK(store_->wait_durable(6));
  EXPECT_EQ(store_->durable_version(), 6);
  close();
  options_.durability = Durability::group;
  options_.group_blocks = 3;
  std::atomic<std::int64_t> told = 0;
  options_.on_durable = [&told](std::int64_t version) { told = version; };
  open();
  for (int i = 0; i < 20; ++i) {
    blocks(1);
    EXPECT_GE(store_->durable_version(), store_->version() - 3);
  }
  ASSERT_OK(store_->wait_durable(store_->version()));
  EXPECT_EQ(store_->durable_version(), store_->version());
  close();
  EXPECT_EQ(told, model_.version());
}

}  // namespace
}  // namespace flatkv::test

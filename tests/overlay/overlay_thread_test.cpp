// SPDX-License-Identifier: Apache-2.0
// Overlays in four threads beside a writer that commits. Small enough for ThreadSanitizer, under
// which scripts/nightly runs it.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/bytes.hpp"
#include "flatkv/overlay.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

constexpr int kThreads = 4;
constexpr std::uint64_t kSlots = 64;

class OverlayThreads : public StoreFixture {
 protected:
  void SetUp() override {
    options_.flush.write_buffer_bytes = 64U << 10;
    options_.cache.row_cache_bytes = 256U << 10;
  }
};

bool stale_or_ok(const auto& result) { return result || result.error().code == ErrorCode::stale; }

/// Block `version`: every slot gets the version as its value, so that a read that mixes blocks
/// shows two values.
Changes whole_block(std::int64_t version) {
  Changes changes;
  for (std::uint64_t i = 0; i < kSlots; ++i) {
    changes.storage(address(1), slot(i), word(static_cast<std::uint64_t>(version)));
  }
  // New keys each time, for the filter of absent keys.
  for (std::uint64_t i = 0; i < 8; ++i) {
    changes.storage(address(static_cast<std::uint64_t>(version) + 100), slot(i), word(1));
  }
  return changes;
}

/// Grows a chain on the committed state and checks that all of it shows one block.
void grow(CommitStore& store, const std::atomic<bool>& stop, std::atomic<std::uint64_t>& rounds) {
  std::vector<Bytes> keys;
  for (std::uint64_t i = 0; i < kSlots; ++i) {
    keys.push_back(to_bytes(storage_key(address(1), slot(i))));
  }
  const std::vector<ByteView> views(keys.begin(), keys.end());
  while (!stop) {
    auto overlay = store.overlay();
    ASSERT_OK(overlay);
    const std::int64_t base = overlay->version() - 1;
    for (int depth = 0; depth < 5; ++depth) {
      auto values = overlay->get_many(views);
      ASSERT_TRUE(stale_or_ok(values)) << values.error().to_string();
      if (!values) break;
      for (const auto& value : *values) {
        const Word wanted = word(static_cast<std::uint64_t>(base + depth));
        ASSERT_TRUE(value == Bytes(wanted.begin(), wanted.end())) << base << " " << depth;
      }
      const auto applied = overlay->apply(whole_block(base + depth + 1));
      ASSERT_TRUE(stale_or_ok(applied)) << applied.error().to_string();
      const auto one = overlay->storage(address(1), slot(7));
      ASSERT_TRUE(stale_or_ok(one)) << one.error().to_string();
      const auto roots = overlay->working_roots();
      ASSERT_TRUE(stale_or_ok(roots)) << roots.error().to_string();
      auto next = overlay->child();
      ASSERT_TRUE(stale_or_ok(next)) << next.error().to_string();
      if (!next) break;
      overlay = std::move(next);
    }
    ++rounds;
  }
}

TEST_F(OverlayThreads, BesideAWriterThatCommits) {
  open();
  block({whole_block(1)});
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> rounds = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] { grow(*store_, stop, rounds); });
  }
  for (std::int64_t version = 2; version <= 60; ++version) {
    const std::uint64_t before = rounds;
    if (version % 2 == 0) {
      block({whole_block(version)});
    } else {
      auto overlay = store_->overlay();
      ASSERT_OK(overlay);
      ASSERT_OK(overlay->apply(whole_block(version)));
      ASSERT_TRUE(model_.apply(whole_block(version)));
      model_.commit();
      const auto roots = store_->commit(*overlay);
      ASSERT_OK(roots);
      EXPECT_TRUE(same_roots(*roots, model_.committed().roots()));
    }
    if (version % 20 == 0) {
      ASSERT_OK(store_->flush());
    }
    if (version % 5 == 0) {
      while (rounds == before && !HasFailure()) std::this_thread::yield();
    }
    if (HasFailure()) break;
  }
  stop = true;
  threads.clear();
  check();
}

/// Several threads stand on one chain while the writer commits it from below: none of them ever
/// becomes stale, and none sees anything but the chain's newest values.
TEST_F(OverlayThreads, OnAChainThatIsCommittedUnderThem) {
  open();
  block({whole_block(1)});
  constexpr std::int64_t kDepth = 40;
  std::vector<Overlay> chain;
  chain.push_back(store_->overlay().value());
  for (std::int64_t version = 2; version <= kDepth; ++version) {
    ASSERT_OK(chain.back().apply(whole_block(version)));
    chain.push_back(chain.back().child().value());
  }
  std::vector<Overlay> tops;
  for (int i = 0; i < kThreads; ++i) tops.push_back(chain.back().child().value());
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> rounds = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      Overlay& top = tops[static_cast<std::size_t>(i)];
      std::uint64_t written = 0;
      while (!stop) {
        for (std::uint64_t index = 0; index < kSlots; ++index) {
          const auto value = top.storage(address(1), slot(index));
          ASSERT_OK(value);
          const Word wanted = word(static_cast<std::uint64_t>(kDepth));
          ASSERT_TRUE(*value == Bytes(wanted.begin(), wanted.end())) << index;
        }
        const Address own = address(5000 + static_cast<std::uint64_t>(i));
        ++written;
        ASSERT_OK(top.apply(Changes().storage(own, slot(written % 100), word(written))));
        ASSERT_OK(top.working_roots());
        RowRange range;
        range.prefix = Bytes(own.begin(), own.end());
        auto rows = top.iterate(Database::storage, range);
        ASSERT_OK(rows);
        ASSERT_TRUE(rows->valid());
        ++rounds;
      }
    });
  }
  // The last of the chain is empty and stays: the tops stand on it.
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    const std::uint64_t before = rounds;
    ASSERT_OK(store_->commit(chain[i]));
    if (i % 10 == 9) {
      ASSERT_OK(store_->flush());
    }
    while (rounds < before + 2 && !HasFailure()) std::this_thread::yield();
    if (HasFailure()) break;
  }
  stop = true;
  threads.clear();
  EXPECT_EQ(store_->version(), kDepth);
  ASSERT_OK(store_->commit(tops[2]));
  EXPECT_TRUE(fails(tops[1].working_roots(), ErrorCode::stale));
  EXPECT_TRUE(store_->verify().value().good());
}

}  // namespace
}  // namespace flatkv::test

// SPDX-License-Identifier: Apache-2.0
// Overlays in four threads, and views of recent versions, beside a writer that commits and undoes.
// Small enough for ThreadSanitizer, under which scripts/nightly runs it.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "base/bytes.hpp"
#include "base/endian.hpp"
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

/// What every slot has as of a block. Branches are numbered: each undo begins another.
std::uint64_t mark(std::int64_t version, std::uint64_t branch = 0) {
  return branch * 1000 + static_cast<std::uint64_t>(version);
}

/// Block `version`: every slot gets the block's mark, so that a read that mixes blocks shows two
/// values.
Changes whole_block(std::int64_t version, std::uint64_t branch = 0) {
  Changes changes;
  for (std::uint64_t i = 0; i < kSlots; ++i) {
    changes.storage(address(1), slot(i), word(mark(version, branch)));
  }
  // New keys each time, for the filter of absent keys.
  for (std::uint64_t i = 0; i < 8; ++i) {
    changes.storage(address(static_cast<std::uint64_t>(version) + 100), slot(i), word(1));
  }
  return changes;
}

std::vector<Bytes> all_keys() {
  std::vector<Bytes> keys;
  for (std::uint64_t i = 0; i < kSlots; ++i) {
    keys.push_back(to_bytes(storage_key(address(1), slot(i))));
  }
  return keys;
}

/// All of one block, which is of that version, on whatever branch.
::testing::AssertionResult is_one_block(const std::vector<std::optional<Bytes>>& values,
                                        std::int64_t version) {
  const std::uint64_t first = values[0] ? load_be<std::uint64_t>(values[0]->data() + 24) : 0;
  if (static_cast<std::int64_t>(first % 1000) != version) {
    return ::testing::AssertionFailure() << first << " as of version " << version;
  }
  for (const auto& value : values) {
    if (value != values[0]) return ::testing::AssertionFailure() << "two blocks at " << version;
  }
  return ::testing::AssertionSuccess();
}

/// Reads all slots through views of recent versions.
void look_back(CommitStore& store, std::uint64_t seed, const std::atomic<bool>& stop) {
  const std::vector<Bytes> keys = all_keys();
  const std::vector<ByteView> views(keys.begin(), keys.end());
  Random random(seed);
  while (!stop) {
    const std::int64_t version =
        std::max<std::int64_t>(1, store.version() - static_cast<std::int64_t>(below(random, 12)));
    const auto view = store.view(version);
    if (!view) {  // undone meanwhile
      ASSERT_TRUE(fails(view, ErrorCode::version_mismatch));
      continue;
    }
    const auto values = view->get_many(views);
    ASSERT_OK(values);
    ASSERT_TRUE(is_one_block(*values, version));
  }
}

/// Grows a chain on the committed state and checks that all of it shows one block.
void grow(CommitStore& store, const std::atomic<bool>& stop, std::atomic<std::uint64_t>& rounds) {
  const std::vector<Bytes> keys = all_keys();
  const std::vector<ByteView> views(keys.begin(), keys.end());
  while (!stop) {
    auto overlay = store.overlay();
    ASSERT_OK(overlay);
    const std::int64_t base = overlay->version() - 1;
    for (int depth = 0; depth < 5; ++depth) {
      auto values = overlay->get_many(views);
      ASSERT_TRUE(stale_or_ok(values)) << values.error().to_string();
      if (!values) break;
      ASSERT_TRUE(is_one_block(*values, base + depth));
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

TEST_F(OverlayThreads, BesideAWriterThatUndoes) {
  options_.rollback_depth = 16;
  open();
  block({whole_block(1)});
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> rounds = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] { grow(*store_, stop, rounds); });
  }
  for (const std::uint64_t seed : {1U, 2U}) {
    threads.emplace_back([&, seed] { look_back(*store_, seed, stop); });
  }
  std::map<std::int64_t, State> states = {{1, model_.committed()}};
  for (std::uint64_t branch = 1; branch <= 25 && !HasFailure(); ++branch) {
    const std::uint64_t before = rounds;
    for (int i = 0; i < 4; ++i) {
      const std::int64_t version = model_.version() + 1;
      ASSERT_TRUE(model_.apply(whole_block(version, branch)));
      model_.commit();
      states[version] = model_.committed();
      if (i % 2 == 0) {
        ASSERT_OK(store_->apply(whole_block(version, branch)));
        ASSERT_OK(store_->commit(version));
        continue;
      }
      auto overlay = store_->overlay();
      ASSERT_OK(overlay);
      ASSERT_OK(overlay->apply(whole_block(version, branch)));
      const auto roots = store_->commit(*overlay);
      ASSERT_OK(roots);
      EXPECT_TRUE(same_roots(*roots, model_.committed().roots()));
    }
    if (branch % 6 == 0) {
      ASSERT_OK(store_->flush());
      continue;
    }
    while (rounds == before && !HasFailure()) std::this_thread::yield();
    const std::int64_t target = std::max(model_.version() - 3, store_->metrics().undo_floor);
    ASSERT_OK(store_->rollback(target));
    model_.go_back(states.at(target));
  }
  stop = true;
  threads.clear();
  check_and_go_on();
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

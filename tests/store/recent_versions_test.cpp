// SPDX-License-Identifier: Apache-2.0
// Views of the last versions (docs/specification.md#recent-versions).
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/bytes.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

constexpr std::uint32_t kRecent = 128;

/// What reads and writes of the calling thread have asked of the system so far.
std::string thread_io() {
  std::ifstream file("/proc/thread-self/io");
  return {std::istreambuf_iterator<char>(file), {}};
}

Changes large_block(std::uint64_t first) {
  Changes changes;
  for (std::uint64_t i = 0; i < 300; ++i) {
    changes.storage(address(1), slot(first + i), Bytes(1000, 7));
  }
  return changes;
}

class RecentVersions : public StoreFixture {
 protected:
  RecentVersions() { options_.recent_versions = kRecent; }

  /// The next blocks of the script, whose states are remembered.
  void remember(std::int64_t count) {
    for (std::int64_t i = 0; i < count && !HasFatalFailure(); ++i) {
      blocks(1);
      states_.push_back(model_.committed());
      if (states_.size() > kRecent) states_.pop_front();
    }
  }

  /// Each remembered version reads as it was.
  void check_all(std::size_t full_every) {
    Random random(static_cast<std::uint64_t>(model_.version()));
    std::size_t number = 0;
    for (const State& state : states_) {
      const auto view = store_->view(state.version);
      ASSERT_OK(view);
      ASSERT_EQ(view->version(), state.version);
      ASSERT_TRUE(same_roots(view->roots(), state.roots()));
      for (int i = 0; i < 20; ++i) {
        const Bytes key = random_key(random, {});
        const auto found = view->get(key);
        ASSERT_OK(found);
        ASSERT_EQ(*found, state.get(key));
      }
      if (number++ % full_every == 0) {
        ASSERT_TRUE(view_is(*view, state));
      }
    }
  }

  std::deque<State> states_;
};

TEST_F(RecentVersions, ThereAreAsManyAsTheOptionSays) {
  for (const std::uint32_t most : {0U, 1U, 2U, 3U}) {
    SCOPED_TRACE(most);
    options_.recent_versions = most;
    open();
    blocks(4);
    const std::int64_t last = model_.version();
    EXPECT_EQ(store_->metrics().recent_versions, most);
    EXPECT_OK(store_->view(last));
    const std::int64_t first = last + 1 - std::max(most, 1U);
    EXPECT_OK(store_->view(first));
    const auto below = store_->view(first - 1);
    EXPECT_TRUE(fails(below, ErrorCode::version_mismatch));
    EXPECT_EQ(below.error().path, path());
    EXPECT_EQ(below.error().version, first - 1);
    close();
  }
}

TEST_F(RecentVersions, EachReadsAsItWasOverFlushes) {
  options_.flush.write_buffer_bytes = 32 << 10;
  open();
  std::vector<std::pair<ReadView, State>> kept;
  for (int round = 0; round < 12 && !HasFatalFailure(); ++round) {
    remember(25);
    check_all(11);
    if (round % 3 == 1) {
      ASSERT_OK(store_->flush());
    }
    auto view = store_->view(states_.front().version);
    ASSERT_OK(view);
    kept.emplace_back(std::move(*view), states_.front());
  }
  check_all(5);
  EXPECT_GE(store_->metrics().flushes, 5U);
  EXPECT_EQ(store_->metrics().recent_versions, kRecent);
  EXPECT_GT(store_->metrics().superseded_bytes, 0U);
  for (const auto& [view, state] : kept) ASSERT_TRUE(view_is(view, state));
  check();
}

TEST_F(RecentVersions, AnyOtherIsRefusedAndTheRangeIsNamed) {
  open();
  blocks(200);
  const auto too_old = store_->view(72);
  ASSERT_TRUE(fails(too_old, ErrorCode::version_mismatch));
  EXPECT_NE(too_old.error().message.find("73 to 200"), std::string::npos);
  EXPECT_NE(too_old.error().message.find("ReadOnlyStore::open"), std::string::npos);
  EXPECT_EQ(too_old.error().version, 72);
  EXPECT_OK(store_->view(73));
  EXPECT_OK(store_->view(200));
  EXPECT_TRUE(fails(store_->view(201), ErrorCode::version_mismatch));
  EXPECT_TRUE(fails(store_->view(-1), ErrorCode::version_mismatch));
  ASSERT_OK(store_->close());
  EXPECT_TRUE(fails(store_->view(200), ErrorCode::store_failed));
}

TEST_F(RecentVersions, OffKeepsTheCurrentOneAlone) {
  options_.recent_versions = 0;
  open();
  blocks(3);
  EXPECT_OK(store_->view(3));
  EXPECT_TRUE(fails(store_->view(2), ErrorCode::version_mismatch));
  block({large_block(0)});
  ASSERT_OK(store_->flush());
  EXPECT_EQ(store_->metrics().recent_versions, 0U);
  EXPECT_EQ(store_->metrics().recent_memory, 0U);
  EXPECT_EQ(store_->metrics().superseded_bytes, 0U);
}

TEST_F(RecentVersions, TheOldestOfThemTakesNoDiskAccess) {
  open();
  blocks(150);
  ASSERT_OK(store_->flush());
  blocks(1);
  const std::string away = path() + "-away";
  std::filesystem::rename(path(), away);  // nothing is found by its path
  const std::string before = thread_io();
  const std::string nothing = thread_io();
  const auto view = store_->view(store_->version() - (kRecent - 1));
  const std::string after = thread_io();
  std::filesystem::rename(away, path());
  ASSERT_OK(view);
  EXPECT_EQ(view->version(), 24);
  // Reading the counts is counted itself, so compare it with reading them twice for nothing.
  const auto reads = [](const std::string& text) {
    const std::size_t at = text.find("syscr: ");
    return at == std::string::npos ? 0 : std::stoll(text.substr(at + 7));
  };
  EXPECT_EQ(reads(after) - reads(nothing), reads(nothing) - reads(before));
  check_and_go_on();
}

TEST_F(RecentVersions, TheirMemoryIsBoundedAndTheNewestStay) {
  options_.max_view_bytes = 2 << 20;
  options_.flush.write_buffer_bytes = 1 << 20;
  open();
  for (std::uint64_t i = 0; i < 40; ++i) {
    block({large_block(300 * i)});  // about three to a buffer
    // A flush that has ended since leaves them its buffer, until the next commit or view.
    ASSERT_LE(store_->metrics().recent_memory,
              options_.max_view_bytes + 2 * options_.flush.write_buffer_bytes);
    ASSERT_OK(store_->view());
    ASSERT_OK(store_->view(store_->version()));
  }
  ASSERT_OK(store_->flush());
  blocks(1);
  const StoreMetrics metrics = store_->metrics();
  EXPECT_LE(metrics.recent_memory, options_.max_view_bytes);
  EXPECT_GT(metrics.recent_versions, 1U);
  EXPECT_LT(metrics.recent_versions, 30U);
  EXPECT_OK(store_->view(store_->version() - 1));
  EXPECT_TRUE(fails(store_->view(store_->version() - 35), ErrorCode::version_mismatch));
  check();
}

TEST_F(RecentVersions, TheyGoBeforeAViewIsRefused) {
  options_.max_view_bytes = 2 << 20;
  options_.flush.write_buffer_bytes = 8 << 20;
  open();
  block({large_block(0)});
  block({large_block(300)});
  block({large_block(600)});
  const auto kept = store_->view(2);
  ASSERT_OK(kept);
  ASSERT_OK(store_->flush());
  block({large_block(900)});
  block({large_block(1200)});
  block({large_block(1500)});
  block({large_block(1800)});
  ASSERT_OK(store_->flush());
  blocks(1);
  // The view and the recent versions together are beyond the limit, the view alone is not.
  EXPECT_OK(store_->view());
  EXPECT_TRUE(fails(store_->view(2), ErrorCode::version_mismatch));
  EXPECT_GT(store_->metrics().view_memory, 900'000U);
  EXPECT_EQ(kept->version(), 2);
  EXPECT_EQ(kept->stats(Database::storage).rows, 600U);
  check();
}

TEST_F(RecentVersions, ReplayFillsThem) {
  open();
  remember(20);
  ASSERT_OK(store_->flush());
  remember(60);
  image("killed");
  close();
  restore("killed");
  open();
  EXPECT_EQ(store_->open_report().replayed_blocks, 60);
  while (states_.front().version < 20) states_.pop_front();  // 20 is on disk
  check_all(7);
  EXPECT_TRUE(fails(store_->view(19), ErrorCode::version_mismatch));
  check_and_go_on();
}

TEST_F(RecentVersions, DatabasesThatWereApartGiveNoneWhereTheyAre) {
  open();
  remember(10);
  ASSERT_OK(store_->flush());
  close();
  save_database("storage");
  open();
  remember(10);
  ASSERT_OK(store_->flush());
  close();
  restore_database("storage");
  open();
  EXPECT_EQ(store_->open_report().replayed_blocks, 10);
  EXPECT_TRUE(fails(store_->view(19), ErrorCode::version_mismatch));
  EXPECT_OK(store_->view(20));
  remember(10);
  while (states_.front().version < 20) states_.pop_front();
  check_all(1);
}

TEST_F(RecentVersions, ARollbackBeginsThemAnew) {
  open();
  remember(10);
  ASSERT_OK(store_->snapshot());
  remember(10);
  const State kept = states_.back();
  const auto view = store_->view(20);
  ASSERT_OK(view);
  ASSERT_OK(store_->rollback(15));
  model_.go_back(states_[14]);
  EXPECT_TRUE(view_is(*view, kept));
  EXPECT_TRUE(fails(store_->view(20), ErrorCode::version_mismatch));
  states_.erase(states_.begin() + 15, states_.end());
  seed_ = 8;
  remember(5);
  while (states_.front().version < 15) states_.pop_front();
  check_all(1);
}

TEST_F(RecentVersions, OtherThreadsReadThemBesideCommitsAndFlushes) {
  options_.flush.write_buffer_bytes = 32 << 10;
  options_.recent_versions = 16;
  open();
  blocks(20);
  std::atomic<bool> stop = false;
  std::atomic<int> rounds = 0;
  std::atomic<int> wrong = 0;
  const CommitStore& store = *store_;
  std::vector<std::thread> readers;
  for (std::uint64_t r = 0; r < 2; ++r) {
    readers.emplace_back([&, r] {
      Random random(r);
      while (!stop) {
        const std::int64_t version = store.version() - static_cast<std::int64_t>(below(random, 16));
        const auto view = store.view(version);
        if (!view) {  // it may have become too old in between
          if (view.error().code != ErrorCode::version_mismatch) ++wrong;
          continue;
        }
        const auto sum = sum_of_rows(*view);
        if (view->version() != version || !sum || sum->checksum() != view->roots().root) ++wrong;
        ++rounds;
      }
    });
  }
  for (int i = 0; i < 100 && !HasFatalFailure(); ++i) blocks(1);
  while (rounds < 8 && wrong == 0) std::this_thread::yield();
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(store_->metrics().flushes, 2U);
  check();
}

}  // namespace
}  // namespace flatkv::test

// SPDX-License-Identifier: Apache-2.0
// When rows leave memory, and what may stay there: each limit of Options at its very value.
#include <atomic>
#include <chrono>
#include <limits>
#include <thread>

#include "base/failpoint.hpp"
#include "base/internals.hpp"
#include "flatkv/metrics.hpp"
#include "store/commit_store.hpp"
#include "store/test_store.hpp"

namespace flatkv::store {
namespace {

constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

/// Nothing is flushed but for the limit that a test sets.
Options no_limits() {
  Options options;
  options.durability = Durability::process;
  options.snapshot.interval = 0;
  options.recent_versions = 0;
  options.cache.row_cache_bytes = 0;
  options.flush.write_buffer_bytes = 64U << 20;
  options.flush.max_lag_blocks = kNever;
  options.flush.max_lag_bytes = kNever;
  return options;
}

class Limits : public testing::Test {
 protected:
  void open(const Options& options) {
    store_.reset();
    directory_ = std::make_unique<TempDir>();
    store_.emplace(open_new(*directory_ / "s", options));
  }
  std::string path() const { return *directory_ / "s"; }
  /// Blocks of one row; their records are all of one size.
  void blocks(int count) {
    for (int i = 0; i < count; ++i) {
      must(Block().slot(1, 1, static_cast<unsigned>(++written_)).commit(*store_));
    }
  }
  /// So far, and none is under way.
  std::uint64_t flushes() {
    while (Internals::impl(*store_).core().flushing()) std::this_thread::yield();
    return store_->metrics().flushes;
  }
  /// Commits until something is flushed. Returns the version of that commit.
  std::int64_t next_flush() {
    const std::uint64_t before = flushes();
    for (int i = 0; i < 100; ++i) {
      blocks(1);
      if (flushes() == before) continue;
      EXPECT_EQ(flushes(), before + 1);
      return store_->version();
    }
    ADD_FAILURE() << "none in a hundred blocks";
    return -1;
  }
  /// A store that flushes for the bytes of four blocks in the log, and undoes in place.
  void open_with_lag_of_four_blocks() {
    open(no_limits());
    blocks(1);
    Options options = no_limits();
    options.rollback_depth = 6;
    options.flush.max_lag_bytes = 4 * store_->metrics().log_bytes;
    open(options);
  }
  std::unique_ptr<TempDir> directory_;
  std::optional<CommitStore> store_;
  int written_ = 0;
};

TEST_F(Limits, LagInBlocks) {
  for (const std::int64_t most : {1, 2, 5}) {
    Options options = no_limits();
    options.flush.max_lag_blocks = static_cast<std::uint64_t>(most);
    open(options);
    for (int i = 1; i <= 3; ++i) EXPECT_EQ(next_flush(), i * most);
    must(store_->commit(3 * most + 1));  // one without writes is a block, too
    EXPECT_EQ(next_flush(), most == 1 ? 3 * most + 2 : 4 * most);
  }
}

TEST_F(Limits, LagInBytesOfTheLog) {
  open(no_limits());
  blocks(3);
  const std::uint64_t three = store_->metrics().log_bytes;
  blocks(3);
  ASSERT_EQ(store_->metrics().log_bytes, 2 * three);
  EXPECT_EQ(flushes(), 0U);
  for (const std::uint64_t more : {0U, 1U}) {
    Options options = no_limits();
    options.flush.max_lag_bytes = three + more;
    open(options);
    const auto each = static_cast<std::int64_t>(3 + more);
    for (int i = 1; i <= 3; ++i) EXPECT_EQ(next_flush(), i * each);
    must(store_->flush());  // begins the count anew
    blocks(1);
    must(store_->flush());
    EXPECT_EQ(next_flush(), 3 * each + 1 + each);
  }
}

TEST_F(Limits, TheLogOfBeforeTheOpenIsNoLag) {
  Options options = no_limits();
  options.flush.max_lag_blocks = 4;
  open(options);
  blocks(2);
  must(store_->close());
  store_.emplace(open_new(path(), options));
  EXPECT_EQ(store_->metrics().undo_floor, 2);
  EXPECT_EQ(next_flush(), 6);
}

TEST_F(Limits, BytesOfAWriteBuffer) {
  open(no_limits());
  const auto buffer = [&] { return store_->metrics().buffer_memory; };
  std::uint64_t empty = buffer();
  // Buffers grow by pages: write until one more is taken.
  std::int64_t at = 0;
  std::uint64_t full = 0;
  for (unsigned i = 0; full == 0; ++i) {
    must(Block().slot(2, i, 1).commit(*store_));
    at = store_->version();
    if (at == 1) empty = buffer();
    if (buffer() > empty) full = buffer();
    ASSERT_LT(i, 10'000U);
  }
  for (const std::uint64_t more : {0U, 1U}) {
    Options options = no_limits();
    options.flush.write_buffer_bytes = full + more;
    open(options);
    for (unsigned i = 0; store_->version() < at; ++i) {
      EXPECT_EQ(flushes(), 0U);
      must(Block().slot(2, i, 1).commit(*store_));
    }
    EXPECT_EQ(flushes(), more == 0 ? 1U : 0U);
  }
}

TEST_F(Limits, AHeldBufferIsFlushedAtItsAge) {
  Options options = no_limits();
  options.rollback_depth = 6;
  options.flush.max_lag_blocks = 4;
  open(options);
  EXPECT_EQ(store_->metrics().undo_floor, 0);
  EXPECT_EQ(next_flush(), 4 + 6);
  EXPECT_EQ(store_->metrics().undo_floor, 4);
  // While a buffer is held no other one is begun for its lag.
  EXPECT_EQ(next_flush(), 10 + 6);
  EXPECT_EQ(store_->metrics().undo_floor, 10);
  blocks(1);
  EXPECT_EQ(store_->metrics().undo_floor, 11) << "older ones have no hashes";
}

TEST_F(Limits, ACloseLeavesInTheLogWhatCanBeUndone) {
  Options options = no_limits();
  options.rollback_depth = 6;
  options.flush.max_lag_blocks = 4;
  for (const int count : {3, 10, 13}) {
    open(options);
    blocks(count);
    must(store_->close());
    store_.emplace(open_new(path(), options));
    EXPECT_TRUE(store_->open_report().clean);
    const int flushed = count < 10 ? 0 : 4;  // the buffer that is held is younger
    EXPECT_EQ(store_->open_report().replayed_blocks, count - flushed);
    const std::int64_t floor = std::max(flushed, count - 6);
    EXPECT_EQ(store_->metrics().undo_floor, floor);
    must(store_->rollback(floor));
    expect_verified(*store_);
  }
}

TEST_F(Limits, AHeldBufferOfWhichABlockIsUndoneIsYounger) {
  Options options = no_limits();
  options.rollback_depth = 6;
  options.flush.max_lag_blocks = 4;
  open(options);
  blocks(5);
  must(store_->rollback(3));
  EXPECT_EQ(next_flush(), 3 + 6);
  EXPECT_EQ(store_->metrics().undo_floor, 3);
}

TEST_F(Limits, OfAHeldBufferThatIsUndoneNothingIsFlushed) {
  Options options = no_limits();
  options.rollback_depth = 6;
  options.flush.max_lag_blocks = 4;
  open(options);
  blocks(10);  // the first buffer is flushed, the second is held
  ASSERT_EQ(flushes(), 1U);
  must(store_->rollback(4));
  EXPECT_EQ(store_->metrics().undo_floor, 4);
  EXPECT_EQ(next_flush(), 8 + 6) << "a buffer from block 5 on, like the one before";
  // That of which a block is left is not begun anew.
  open(options);
  blocks(11);
  must(store_->rollback(5));
  EXPECT_EQ(store_->metrics().undo_floor, 5);
  blocks(2);
  must(store_->rollback(6));
  EXPECT_EQ(next_flush(), 5 + 6);
}

TEST_F(Limits, UndoneBytesOfTheLogAreNoLag) {
  open_with_lag_of_four_blocks();
  blocks(3);
  must(store_->rollback(1));
  blocks(2);
  must(store_->rollback(2));
  EXPECT_EQ(next_flush(), 4 + 6) << "the buffer ends with block 4";
}

TEST_F(Limits, BytesThatWereUndoneBelowAFlushAreNoLagEither) {
  open_with_lag_of_four_blocks();
  EXPECT_EQ(next_flush(), 4 + 6);
  must(store_->rollback(8));  // of a buffer that is held
  must(store_->rollback(4));  // all that is not flushed
  EXPECT_EQ(next_flush(), 8 + 6);
}

// Or every read would look through the undos of the past.
TEST_F(Limits, UndoneBlocksAreForgottenOnceNoBufferHasTheirRows) {
  Options options = no_limits();
  options.rollback_depth = 3;
  open(options);
  const auto undone = [&] {
    const auto state = Internals::impl(*store_).core().state();
    return state->dead ? state->dead->size() : 0;
  };
  blocks(3);
  EXPECT_EQ(undone(), 0U);
  must(store_->rollback(2));
  EXPECT_EQ(undone(), 1U);
  blocks(2);
  must(store_->rollback(3));
  EXPECT_EQ(undone(), 2U);
  must(store_->flush());
  blocks(1);
  EXPECT_EQ(undone(), 2U) << "the buffer was there when it was frozen";
  must(store_->flush());
  EXPECT_EQ(undone(), 0U);
  EXPECT_EQ(must(store_->get(Block::slot_key(1, 1))), Block::word(static_cast<unsigned>(written_)));
  expect_verified(*store_);
}

TEST_F(Limits, ABlockWithoutHashesOfItsOwnIsTheFloor) {
  Options options = no_limits();
  options.rollback_depth = 3;
  open(options);
  blocks(2);
  EXPECT_EQ(store_->metrics().undo_floor, 0);
  blocks(1);
  EXPECT_EQ(store_->metrics().undo_floor, 0);
  blocks(1);
  EXPECT_EQ(store_->metrics().undo_floor, 1);
  must(store_->rollback(1));
  EXPECT_EQ(store_->metrics().undo_floor, 1);
  blocks(1);
  EXPECT_EQ(store_->metrics().undo_floor, 1);
}

TEST_F(Limits, WhatViewsKeep) {
  const auto keep = [&](const Options& options) {
    open(options);
    blocks(1);
    ReadView view = must(store_->view());
    must(store_->flush());
    blocks(1);
    return view;
  };
  std::uint64_t bytes = 0;
  {
    const ReadView view = keep(no_limits());
    bytes = store_->metrics().view_memory;
    ASSERT_GT(bytes, 0U);
  }
  Options options = no_limits();
  options.max_view_bytes = bytes;
  {
    const ReadView view = keep(options);
    EXPECT_TRUE(store_->view());
  }
  options.max_view_bytes = bytes - 1;
  const ReadView view = keep(options);
  for (const auto& refused : {store_->view().error(), store_->view(2).error()}) {
    EXPECT_EQ(refused.code, ErrorCode::no_space);
    EXPECT_EQ(refused.path, path());
    EXPECT_EQ(refused.message, "views keep " + std::to_string(bytes) +
                                   " bytes of old buffers alive, the limit is " +
                                   std::to_string(bytes - 1));
  }
}

TEST_F(Limits, WhatRecentVersionsKeep) {
  Options options = no_limits();
  options.recent_versions = 10;
  const auto keep = [&] {
    open(options);
    blocks(2);
    must(store_->flush());
    blocks(1);
  };
  keep();
  const std::uint64_t bytes = store_->metrics().recent_memory;
  ASSERT_GT(bytes, 0U);
  EXPECT_EQ(store_->metrics().recent_versions, 4U);  // with version 0
  options.max_view_bytes = bytes;
  keep();
  EXPECT_EQ(must(store_->view(1)).version(), 1);
  options.max_view_bytes = bytes - 1;
  keep();
  EXPECT_EQ(store_->metrics().recent_memory, 0U);
  EXPECT_FALSE(store_->view(1));
  EXPECT_EQ(must(store_->view(3)).version(), 3);
}

TEST_F(Limits, AVersionThatIsNotInMemoryIsRefusedWithThoseThatAre) {
  Options options = no_limits();
  const auto refusal = [&](std::int64_t version) {
    const auto refused = store_->view(version);
    EXPECT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::version_mismatch);
    EXPECT_EQ(refused.error().path, path());
    EXPECT_EQ(refused.error().version, version);
    return refused.error().message;
  };
  const std::string older = "; ReadOnlyStore::open reads older ones from disk";
  open(options);
  blocks(3);
  EXPECT_EQ(refusal(4), "the versions in memory are 3");
  EXPECT_EQ(refusal(2), "the versions in memory are 3" + older);
  options.recent_versions = 3;
  open(options);
  blocks(5);
  EXPECT_EQ(refusal(6), "the versions in memory are 3 to 5");
  EXPECT_EQ(refusal(2), "the versions in memory are 3 to 5" + older);
}

TEST_F(Limits, BlocksOfAGroup) {
  for (const std::uint32_t most : {1U, 3U}) {
    Options options = no_limits();
    options.durability = Durability::group;
    options.group_blocks = most;
    open(options);
    for (int i = 0; i < 30; ++i) {
      blocks(1);
      EXPECT_LE(store_->version() - store_->durable_version(), most);
    }
  }
}

#ifdef FLATKV_FAILPOINTS
TEST_F(Limits, ACommitWaitsForTheBlocksOfAGroup) {
  for (const std::int64_t most : {1, 3}) {
    Options options = no_limits();
    options.durability = Durability::group;
    options.group_blocks = static_cast<std::uint32_t>(most);
    open(options);
    std::atomic<bool> release = false;
    failpoint::arm(
        "changelog.sync.before",
        [&]() -> Status {
          release.wait(false);
          return {};
        },
        1, 0);
    std::thread writer([&] { blocks(6); });
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (store_->version() < most && std::chrono::steady_clock::now() < end) {
      std::this_thread::yield();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // for one that does not wait
    EXPECT_EQ(store_->version(), most);
    release = true;
    release.notify_all();
    writer.join();
    failpoint::disarm_all();
    EXPECT_EQ(store_->version(), 6);
  }
}
#endif

TEST_F(Limits, AWrongVersionOrAWaitForOneThatIsNotThereIsNamed) {
  open(no_limits());
  blocks(2);
  for (const std::int64_t version : {2, 4}) {
    const auto refused = store_->commit(version);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::version_mismatch);
    EXPECT_EQ(refused.error().message, "the next version is 3");
    EXPECT_EQ(refused.error().path, path());
    EXPECT_EQ(refused.error().version, version);
  }
  const Status waited = store_->wait_durable(3);
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(waited.error().message,
            "cannot wait for a version that was not committed; the last is 2");
  EXPECT_EQ(waited.error().version, 3);
  EXPECT_EQ(store_->durable_version(), 0) << "nothing was synced";
  for (const std::int64_t version : {2, 1, 0, -1}) EXPECT_TRUE(store_->wait_durable(version));
  EXPECT_EQ(store_->durable_version(), 2);
}

TEST_F(Limits, EachDatabaseIsFlushedOnceForAVersion) {
  open(no_limits());
  const auto tables = [&] {
    std::vector<std::uint64_t> counts;
    for (const FlushMetrics& own : store_->metrics().flushed) counts.push_back(own.tables);
    return counts;
  };
  const std::size_t databases = tables().size();
  EXPECT_EQ(tables(), std::vector<std::uint64_t>(databases, 0));
  for (std::uint64_t i = 1; i <= 3; ++i) {
    blocks(1);
    must(store_->flush());
    EXPECT_EQ(tables(), std::vector<std::uint64_t>(databases, i));
    must(store_->flush());
    EXPECT_EQ(tables(), std::vector<std::uint64_t>(databases, i));
    std::uint64_t all = 0;
    for (const FlushMetrics& own : store_->metrics().flushed) {
      EXPECT_GT(own.bytes, 0U);
      EXPECT_GT(own.nanoseconds, 0U);
      all += own.nanoseconds;
    }
    EXPECT_LE(all, store_->metrics().flush_nanoseconds);
  }
  must(store_->snapshot());  // nothing is left to be flushed
  EXPECT_EQ(tables(), std::vector<std::uint64_t>(databases, 3));
  EXPECT_EQ(flushes(), 4U) << "a snapshot is written by one, even so";
}

TEST_F(Limits, ASnapshotIsToldOf) {
  open(no_limits());
  blocks(3);
  const auto now = [] {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  const auto metric = [&](std::string_view name) {
    for (const MetricFamily& family : must(store_metrics(*store_))) {
      if (family.name == name) return family.samples.front().value;
    }
    return -1.0;
  };
  const auto begun = std::chrono::steady_clock::now();
  const auto before = now();
  must(store_->snapshot());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  EXPECT_GE(metric("flatkv_snapshot_last_timestamp_seconds"), static_cast<double>(before));
  EXPECT_LE(metric("flatkv_snapshot_last_timestamp_seconds"), static_cast<double>(now()));
  EXPECT_GT(metric("flatkv_snapshot_last_duration_seconds"), 0);
  EXPECT_LT(metric("flatkv_snapshot_last_duration_seconds"), took.count());
  EXPECT_EQ(metric("flatkv_snapshot_last_version"), 3);
  EXPECT_EQ(metric("flatkv_snapshots_written_total"), 1);
  blocks(1);
  must(store_->snapshot());
  EXPECT_EQ(metric("flatkv_snapshot_last_version"), 4);
  EXPECT_EQ(metric("flatkv_snapshots_written_total"), 2);
  EXPECT_EQ(metric("flatkv_snapshot_failures_total"), 0);
}

TEST_F(Limits, MemoryOfBuffersIsWhatTheyTake) {
  Options options = no_limits();
  options.rollback_depth = 100;
  open(options);
  const auto expected = [&] {
    const auto state = Internals::impl(*store_).core().state();
    std::uint64_t bytes = 0;
    for (const Database database : kDataDatabases) {
      bytes += state->of(database).active->memory();
      for (const auto& frozen : state->of(database).frozen) bytes += frozen->memory();
    }
    return bytes;
  };
  blocks(2);
  EXPECT_EQ(store_->metrics().buffer_memory, expected());
  options.flush.max_lag_blocks = 3;
  open(options);
  blocks(4);  // one buffer is held
  EXPECT_EQ(Internals::impl(*store_).core().state()->of(Database::storage).frozen.size(), 1U);
  EXPECT_EQ(store_->metrics().buffer_memory, expected());
  EXPECT_EQ(flushes(), 0U);
}

}  // namespace
}  // namespace flatkv::store

// SPDX-License-Identifier: Apache-2.0
// Reads while a flush moves rows from memory into a database: at each of its steps, and held across
// it. Fault matrix S19, S20. docs/hazards.md#unpinned-view, docs/hazards.md#stale-cache-entry.
#include <gtest/gtest.h>

#ifdef FLATKV_FAILPOINTS

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/failpoint.hpp"
#include "support/fault_counts.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

class FlushReads : public StoreFixture {
 protected:
  void TearDown() override { failpoint::disarm_all(); }
};

TEST_F(FlushReads, S19_EveryStepOfAFlush) {
  open();
  blocks(6);
  ASSERT_OK(store_->flush());
  blocks(4);
  std::vector<std::pair<ReadView, State>> kept;
  const std::vector<const char*> sites = {
      "flush.begin",    "flush.table_written", "engine.ingest.before",   "engine.ingest.after",
      "flush.ingested", "flush.published",     "flush.metadata_written", "flush.done"};
  for (const char* site : sites) {
    SCOPED_TRACE(site);
    blocks(2);
    auto view = store_->view();
    ASSERT_OK(view);
    kept.emplace_back(std::move(*view), model_.committed());
    blocks(2);
    const State now = model_.committed();
    std::atomic<unsigned> looked = 0;
    std::atomic<unsigned> wrong = 0;
    failpoint::arm(
        site,
        [&]() -> Status {
          for (const auto& [before, state] : kept) wrong += !view_is(before, state);
          const auto during = store_->view();
          wrong += !during || !view_is(*during, now);
          ++looked;
          return {};
        },
        1, 0);
    ASSERT_OK(store_->flush());
    failpoint::disarm_all();
    EXPECT_GT(looked, 0U) << "never hit";
    EXPECT_EQ(wrong, 0U);
    for (const auto& [before, state] : kept) ASSERT_TRUE(view_is(before, state));
    check();
    if (HasFailure()) return;
    count_fault("S19", Came::recovered, looked);
  }
}

/// Lets two threads pass each other at chosen points.
class Gate {
 public:
  void open() {
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

// A read takes an old value from a database. Before the value reaches the row cache, a flush of
// other rows completes; then the flushed rows are read.
TEST_F(FlushReads, S20_ReadHeldAcrossAFlush) {
  options_.cache.row_cache_bytes = 256 << 10;
  options_.flush.write_buffer_bytes = 16 << 10;
  const Pools pools{6, 6, 10, 40};
  open();
  for (int i = 0; i < 8; ++i) block(script_block(seed_, model_.version() + 1, pools, 30));
  ASSERT_OK(store_->flush());
  unsigned held = 0;
  for (int round = 0; round < 20; ++round) {
    reopen();  // an empty row cache
    Gate read;
    Gate flushed;
    std::atomic<bool> arrived = false;
    // The flush waits for a read to be in progress, the read for the flush to end.
    failpoint::arm("flush.begin", [&]() -> Status {
      read.wait();
      return {};
    });
    failpoint::arm("flush.done", [&]() -> Status {
      flushed.open();
      return {};
    });
    Changes fill;
    fill.storage(address(1), slot(1), Bytes(20 << 10, static_cast<std::uint8_t>(round)));
    block({fill});  // exceeds the write buffer, so a flush starts
    failpoint::arm("apply.values_read", [&]() -> Status {
      arrived = true;
      read.open();
      flushed.wait();
      return {};
    });
    block(script_block(seed_, model_.version() + 1, pools, 30));
    held += arrived ? 1U : 0U;
    read.open();
    failpoint::disarm_all();
    for (int i = 0; i < 3; ++i) block(script_block(seed_, model_.version() + 1, pools, 30));
    check();
    if (HasFailure()) return;
    count_fault("S20", Came::recovered);
  }
  EXPECT_GT(held, 10U);
}

}  // namespace
}  // namespace flatkv::test

#endif

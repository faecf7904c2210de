// SPDX-License-Identifier: Apache-2.0
#include "commit/flusher.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <latch>
#include <thread>

namespace flatkv::commit {
namespace {

/// A batch that writes nothing and waits for nothing.
FrozenBatch empty_batch() {
  FrozenBatch batch;
  batch.urgent = true;
  return batch;
}

/// A flusher of no store, and what it needs.
struct Alone {
  state::OpenGeneration clone{{}, "", {}, nullptr, 1};  // it has no lock to check
  state::PoisonLatch fault;
  state::Published published{nullptr};
  Flusher flusher{setup()};

 private:
  Flusher::Setup setup() {
    Flusher::Setup setup;
    setup.lifetime = &clone;
    setup.fault = &fault;
    setup.published = &published;
    return setup;
  }
};

// A sync of the group or a compaction fails on its own thread and wakes nobody. Whoever waits for
// the flusher must learn of it at whatever moment it happens.
TEST(Flusher, AFaultOfAnotherThreadLeavesNobodyWaiting) {
  for (unsigned round = 0; round < 4'000; ++round) {
    Alone alone;
    Flusher& flusher = alone.flusher;
    std::atomic<bool> go{false};
    std::thread other([&] {
      while (!go.load()) std::this_thread::yield();
      for (unsigned i = 0; i < round % 64; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
      alone.fault.set(fail(ErrorCode::io, "of another thread").error());
    });
    go.store(true);
    flusher.submit(empty_batch());
    flusher.submit(empty_batch());
    static_cast<void>(flusher.wait_for_room());
    static_cast<void>(flusher.wait_idle());
    other.join();
    EXPECT_FALSE(flusher.wait_idle());
  }
}

TEST(Flusher, TheOneThatRunsAndThoseThatWaitAreCounted) {
  Alone alone;
  Flusher& flusher = alone.flusher;
  EXPECT_TRUE(flusher.wait_for_room(1));
  EXPECT_EQ(flusher.waiting(), 0U);
  EXPECT_FALSE(flusher.busy());
  std::latch begun(1);
  std::latch go(1);
  FrozenBatch batch = empty_batch();
  batch.afterwards = [&] {
    begun.count_down();
    go.wait();
  };
  flusher.submit(std::move(batch));
  begun.wait();
  EXPECT_EQ(flusher.waiting(), 1U);
  EXPECT_TRUE(flusher.busy());
  EXPECT_TRUE(flusher.has_room());
  EXPECT_TRUE(flusher.wait_for_room(2));
  flusher.submit(empty_batch());
  EXPECT_EQ(flusher.waiting(), 2U);
  EXPECT_FALSE(flusher.has_room());
  EXPECT_TRUE(flusher.wait_for_room(3));
  auto room = std::async(std::launch::async, [&] { return flusher.wait_for_room(2); });
  EXPECT_EQ(room.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout)
      << "one runs and one waits";
  go.count_down();
  EXPECT_TRUE(room.get());
  EXPECT_TRUE(flusher.wait_for_room(1));
  EXPECT_TRUE(flusher.wait_idle());
  EXPECT_FALSE(flusher.busy());
  EXPECT_EQ(flusher.flushes(), 2U);
}

// A thread with a low priority would make whoever waits for it wait behind every other process.
TEST(Flusher, AFlushThatIsWaitedForDoesNotGiveWay) {
  const auto nice = [] { return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid())); };
  const int own = nice();
  Alone alone;
  Flusher& flusher = alone.flusher;
  std::atomic<int> found = own + 100;
  FrozenBatch batch = empty_batch();
  batch.afterwards = [&] {
    // The thread below comes to wait while this runs.
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (nice() > own + 1 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    found = nice();
  };
  flusher.submit(std::move(batch));
  EXPECT_TRUE(flusher.wait_idle());
  // One step lower where the system lets no thread rise again.
  EXPECT_LE(found.load(), own + 1);
}

}  // namespace
}  // namespace flatkv::commit

// SPDX-License-Identifier: Apache-2.0
#include "flatkv/executor.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "base/fork.hpp"
#include "base/machine.hpp"
#include "lthash/batch.hpp"
#include "lthash/hashing_share.hpp"
#include "lthash/summation.hpp"

namespace flatkv::lthash {
namespace {

/// Keeps tasks until it is told to run them, or refuses them.
class HeldExecutor : public Executor {
 public:
  explicit HeldExecutor(std::uint32_t threads, bool refuses = false)
      : threads_(threads), refuses_(refuses) {}
  std::uint32_t threads() const noexcept override { return threads_; }
  void run(std::function<void()> task) override {
    ++asked;
    if (refuses_) throw std::bad_alloc();
    tasks.push_back(std::move(task));
  }

  int asked = 0;
  std::vector<std::function<void()>> tasks;

 private:
  const std::uint32_t threads_;
  const bool refuses_;
};

/// Enough rows for several parts.
LtHash sum_of_many(Summation& summation) {
  static const std::vector<Bytes> keys = [] {
    std::vector<Bytes> made(1'000, Bytes(52));
    for (std::size_t i = 0; i < made.size(); ++i)
      made[i][0] = static_cast<std::uint8_t>(i), made[i][1] = static_cast<std::uint8_t>(i >> 8U);
    return made;
  }();
  LtHash sum;
  for (const Bytes& key : keys) summation.add(sum, {key, {}, key});
  summation.wait();
  return sum;
}

LtHash expected() {
  Summation alone(std::make_shared<HashingShare>(nullptr, 1));
  return sum_of_many(alone);
}

TEST(Executor, RunsEachTaskOnAnotherThread) {
  const auto executor = make_executor(2);
  ASSERT_TRUE(executor);
  EXPECT_EQ((*executor)->threads(), std::min(2U, (*shared_executor())->threads()));
  std::atomic<int> elsewhere = 0;
  const auto caller = std::this_thread::get_id();
  for (int i = 0; i < 100; ++i) {
    (*executor)->run([&] {
      elsewhere += static_cast<int>(std::this_thread::get_id() != caller);
      elsewhere.notify_one();
    });
  }
  for (int seen = 0; seen != 100; seen = elsewhere) elsewhere.wait(seen);
}

TEST(Executor, AsManyTasksRunAtOnceAsItHasThreads) {
  const auto executor = make_executor(3);  // fewer on a small machine
  ASSERT_TRUE(executor);
  const std::uint32_t threads = (*executor)->threads();
  std::atomic<std::uint32_t> running = 0;
  std::atomic<std::uint32_t> most = 0;
  std::atomic<std::uint32_t> left = 4 * threads;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (std::uint32_t i = 0; i < 4 * threads; ++i) {
    (*executor)->run([&] {
      const std::uint32_t now = ++running;
      for (std::uint32_t seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
      }
      while (most < threads && std::chrono::steady_clock::now() < end) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(2));  // one more could begin now
      --running;
      --left;
      left.notify_one();
    });
  }
  for (std::uint32_t still = left; still != 0; still = left) left.wait(still);
  EXPECT_EQ(most, threads);
}

TEST(Executor, TheSharedOneIsOneAndLeavesACoreToTheCaller) {
  const auto first = shared_executor();
  ASSERT_TRUE(first);
  EXPECT_EQ(*first, *shared_executor());
  EXPECT_EQ((*first)->threads(), std::max(machine().cores, 2U) - 1);
  EXPECT_EQ(HashingShare().threads(), machine().cores);
}

// What a process may use is looked up once, so the core is taken from another one.
TEST(Executor, OnASingleCoreThereIsStillAThread) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto holds_on_one_core = [] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
    if (::sched_setaffinity(0, sizeof one, &one) != 0 || machine().cores != 1) return false;
    const auto own = make_executor(5);
    if (!own || (*own)->threads() != 1 || (*shared_executor())->threads() != 1) return false;
    std::atomic<bool> ran = false;
    (*own)->run([&] {
      ran = true;
      ran.notify_one();
    });
    ran.wait(false);
    return HashingShare().threads() == 1;  // a sum does without
  };
  EXPECT_EXIT(std::_Exit(holds_on_one_core() ? 0 : 1), testing::ExitedWithCode(0), "");
}

TEST(Executor, NumbersOfThreadsThatCannotBeAreRefused) {
  for (const std::uint32_t threads : {0U, 1'025U, ~0U}) {
    const auto made = make_executor(threads);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(made.error().message,
              "an executor can have 1 to 1024 threads, not " + std::to_string(threads));
  }
  for (const std::uint32_t threads : {1U, 1'024U}) EXPECT_TRUE(make_executor(threads));
}

TEST(HashingShare, ASumUsesItsOwnExecutorAndNoMoreThreadsThanItsShare) {
  const auto executor = std::make_shared<HeldExecutor>(8);
  const auto share = std::make_shared<HashingShare>(executor, 3);
  EXPECT_EQ(share->threads(), 3U);
  Summation summation(share);
  EXPECT_EQ(sum_of_many(summation), expected());
  EXPECT_EQ(executor->asked, 2) << "the calling thread is the third";
  for (auto& task : executor->tasks) task();  // late, and there is nothing left to do
  executor->tasks.clear();                    // each keeps the share, which keeps the executor
}

TEST(HashingShare, SharesDoNotDependOnEachOther) {
  const auto executor = std::make_shared<HeldExecutor>(8);
  HashingShare small(executor, 2);
  HashingShare all(executor);
  EXPECT_EQ(small.threads(), 2U);
  EXPECT_EQ(all.threads(), 9U);
  EXPECT_EQ(HashingShare(executor, 100).threads(), 9U);
  {
    const CoreTaken taken(all);
    EXPECT_EQ(all.threads(), 8U);
    EXPECT_EQ(small.threads(), 2U);
  }
  EXPECT_EQ(all.threads(), 9U);
}

TEST(HashingShare, OneThreadIsLeftHoweverManyCoresAreTaken) {
  HashingShare share(std::make_shared<HeldExecutor>(8), 2);
  const CoreTaken first(share);
  EXPECT_EQ(share.threads(), 1U);
  const CoreTaken second(share);
  EXPECT_EQ(share.threads(), 1U);
  const CoreTaken third(share);
  EXPECT_EQ(share.threads(), 1U);
}

TEST(HashingShare, ThatOfTheProcessIsOneAndAllOfIt) {
  EXPECT_EQ(HashingShare::of_process(), HashingShare::of_process());
  EXPECT_EQ(HashingShare::of_process()->threads(), machine().cores);
  EXPECT_EQ(HashingShare(nullptr, 1).threads(), 1U);
  EXPECT_EQ(HashingShare(nullptr, 100'000).threads(), machine().cores);
}

TEST(HashingShare, ATaskThatIsRefusedIsDoneByTheCaller) {
  const auto executor = std::make_shared<HeldExecutor>(8, true);
  Summation summation(std::make_shared<HashingShare>(executor));
  EXPECT_EQ(sum_of_many(summation), expected());
  EXPECT_GT(executor->asked, 0);
}

// The executor's threads do not live on in the child: who handed it a task would wait for ever.
TEST(HashingShare, AForkDoesItsSumsAlone) {
  ASSERT_TRUE(enter_process());
  const auto executor = std::make_shared<HeldExecutor>(8);
  const auto share = std::make_shared<HashingShare>(executor, 3);
  const LtHash wanted = expected();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    Summation summation(share);
    const bool right = sum_of_many(summation) == wanted;
    std::_Exit(right && executor->asked == 0 && share->threads() == 1 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(share->threads(), 3U) << "in the parent";
}

}  // namespace
}  // namespace flatkv::lthash

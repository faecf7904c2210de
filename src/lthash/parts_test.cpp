// SPDX-License-Identifier: Apache-2.0
#include "lthash/parts.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <new>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace flatkv::lthash {
namespace {

/// Runs each task on a thread of its own, at once or, if told so, only at its end.
class Threads : public Executor {
 public:
  explicit Threads(bool late = false) : late_(late) {}
  ~Threads() override {
    for (const auto& task : kept_) task();
    for (std::thread& thread : threads_) thread.join();
  }
  std::uint32_t threads() const noexcept override { return 3; }
  void run(std::function<void()> task) override {
    if (late_) {
      kept_.push_back(std::move(task));
    } else {
      threads_.emplace_back(std::move(task));
    }
  }

 private:
  const bool late_;
  std::vector<std::function<void()>> kept_;
  std::vector<std::thread> threads_;
};

class NoMemory : public Executor {
 public:
  std::uint32_t threads() const noexcept override { return 3; }
  void run(std::function<void()>) override { throw std::bad_alloc(); }
};

std::vector<int> count_calls(HashingShare& share, std::size_t parts) {
  std::vector<int> calls(parts);
  run_parts(share, parts, [&](std::size_t part) { ++calls[part]; });
  return calls;
}

TEST(Parts, EachIsDoneOnce) {
  HashingShare share(std::make_shared<Threads>());
  for (const std::size_t parts : {0U, 1U, 2U, 3U, 100U}) {
    EXPECT_EQ(count_calls(share, parts), std::vector(parts, 1));
  }
}

TEST(Parts, OfTasksThatStartTooLateNothingIsLeft) {
  const auto executor = std::make_shared<Threads>(true);
  HashingShare share(executor);
  EXPECT_EQ(count_calls(share, 5), std::vector(5, 1));
}

TEST(Parts, WithoutMemoryForATaskTheCallerDoesAll) {
  HashingShare share(std::make_shared<NoMemory>());
  EXPECT_EQ(count_calls(share, 5), std::vector(5, 1));
}

TEST(Parts, NoMoreThreadsTakePartThanTheShareHasOrThereAreParts) {
  class Counting : public Threads {
   public:
    void run(std::function<void()> task) override {
      ++asked;
      Threads::run(std::move(task));
    }
    int asked = 0;
  };
  const auto asked_for = [](std::size_t threads, std::size_t parts) {
    const auto executor = std::make_shared<Counting>();
    HashingShare share(executor, threads);
    EXPECT_EQ(count_calls(share, parts), std::vector(parts, 1));
    return executor->asked;
  };
  EXPECT_EQ(asked_for(1, 50), 0) << "the calling thread does all";
  EXPECT_EQ(asked_for(3, 50), 2) << "the calling thread is the third";
  EXPECT_EQ(asked_for(0, 50), 3);
  EXPECT_EQ(asked_for(0, 2), 1);
  EXPECT_EQ(asked_for(0, 1), 0);
  EXPECT_EQ(asked_for(0, 0), 0);
}

TEST(Parts, SeveralThreadsShareThem) {
  HashingShare share(std::make_shared<Threads>());
  std::mutex mutex;
  std::set<std::thread::id> seen;
  run_parts(share, 4, [&](std::size_t) {
    std::unique_lock lock(mutex);
    seen.insert(std::this_thread::get_id());
    // Every thread is kept until a second one has come.
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (seen.size() < 2 && std::chrono::steady_clock::now() < end) {
      lock.unlock();
      std::this_thread::yield();
      lock.lock();
    }
  });
  EXPECT_GE(seen.size(), 2U);
}

TEST(Parts, WhatACallThrowsComesBackAfterTheOthersHaveEnded) {
  HashingShare share(std::make_shared<Threads>());
  std::atomic<int> running = 0;
  const auto step = [&](std::size_t part) {
    ++running;
    std::this_thread::yield();
    --running;
    if (part == 7) throw std::runtime_error("part 7");
  };
  EXPECT_THROW(run_parts(share, 50, step), std::runtime_error);
  EXPECT_EQ(running, 0);
}

// The caller has nothing left to do long before the other thread has.
TEST(Parts, AThreadThatTakesLongIsWaitedFor) {
  HashingShare share(std::make_shared<Threads>(), 2);
  const auto caller = std::this_thread::get_id();
  std::atomic<bool> begun = false;
  std::atomic<bool> ended = false;
  run_parts(share, 2, [&](std::size_t) {
    if (std::this_thread::get_id() == caller) {
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
      while (!begun && std::chrono::steady_clock::now() < end) std::this_thread::yield();
      return;
    }
    begun = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ended = true;
  });
  EXPECT_TRUE(ended);
}

TEST(Parts, AfterOneHasFailedNoOtherIsBegun) {
  HashingShare share(std::make_shared<Threads>(), 1);
  int begun = 0;
  const auto step = [&](std::size_t part) {
    ++begun;
    if (part == 7) throw std::runtime_error("part 7");
  };
  EXPECT_THROW(run_parts(share, 50, step), std::runtime_error);
  EXPECT_EQ(begun, 8);
}

}  // namespace
}  // namespace flatkv::lthash

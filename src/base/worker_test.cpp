// SPDX-License-Identifier: Apache-2.0
#include "base/worker.hpp"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <future>
#include <string>

namespace flatkv {
namespace {

TEST(Worker, AStopWakesAWaitAndReturnsAfterTheThreadHasEnded) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::promise<std::string> waits;
  bool ended = false;
  Worker worker("flatkv-test", [&](const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    std::array<char, 16> name{};
    ::pthread_getname_np(::pthread_self(), name.data(), name.size());
    waits.set_value(name.data());
    never.wait(lock, stop, [] { return false; });
    ended = true;
  });
  EXPECT_EQ(waits.get_future().get(), "flatkv-test");
  EXPECT_TRUE(worker.started());
  EXPECT_FALSE(worker.stopping());
  worker.stop();
  EXPECT_TRUE(ended);
  EXPECT_TRUE(worker.stopping());
  EXPECT_FALSE(worker.started());
  worker.stop();
}

TEST(Worker, ItsEndStopsIt) {
  bool ended = false;
  {
    const Worker worker("flatkv-test", [&](const std::stop_token& stop) {
      sleep_until(stop, std::chrono::steady_clock::time_point::max());
      ended = true;
    });
  }
  EXPECT_TRUE(ended);
}

TEST(Worker, ItCanBeStoppedBeforeItIsStarted) {
  Worker worker;
  const std::stop_token stop = worker.token();
  worker.stop();
  EXPECT_TRUE(stop.stop_requested());
  bool told = false;
  worker.start("flatkv-test", [&](const std::stop_token& own) { told = own.stop_requested(); });
  worker.stop();
  EXPECT_TRUE(told);
}

TEST(Worker, ASleepWithoutAStopLastsUntilItsTime) {
  const Worker worker;
  const auto then = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
  sleep_until(worker.token(), then);
  EXPECT_GE(std::chrono::steady_clock::now(), then);
}

}  // namespace
}  // namespace flatkv

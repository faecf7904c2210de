// SPDX-License-Identifier: Apache-2.0
#include "parts/workers.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

namespace flatkv::parts {
namespace {

TEST(Workers, DoAll) {
  std::atomic<int> sum{0};
  Workers<int> workers(3, {}, [&](int job, const std::stop_token&) -> Status {
    sum += job;
    return {};
  });
  for (int i = 1; i <= 100; ++i) EXPECT_TRUE(workers.push(i));
  EXPECT_TRUE(workers.finish());
  EXPECT_EQ(sum, 5050);
}

TEST(Workers, TheFirstErrorEndsAll) {
  Workers<int> workers(2, {}, [](int job, const std::stop_token& stop) -> Status {
    if (job == 0) return fail(ErrorCode::io, "zero");
    while (!stop.stop_requested()) std::this_thread::yield();
    return {};
  });
  EXPECT_TRUE(workers.push(2));
  EXPECT_TRUE(workers.push(0));
  Status pushed;
  while (pushed) pushed = workers.push(2);  // waits for room until it fails
  EXPECT_EQ(pushed.error().message, "zero");
  EXPECT_EQ(workers.finish().error().message, "zero");
}

TEST(Workers, WhatTheyThrowIsAnError) {
  Workers<int> workers(1, {},
                       [](int, const std::stop_token&) -> Status { throw std::bad_alloc(); });
  static_cast<void>(workers.push(1));
  EXPECT_EQ(workers.finish().error().code, ErrorCode::out_of_memory);
}

TEST(Workers, AStop) {
  std::stop_source source;
  std::latch begun(1);
  Workers<int> workers(1, source.get_token(), [&](int, const std::stop_token& stop) -> Status {
    begun.count_down();
    while (!stop.stop_requested()) std::this_thread::yield();
    return fail(ErrorCode::cancelled, "cancelled");
  });
  EXPECT_TRUE(workers.push(1));
  begun.wait();
  source.request_stop();
  EXPECT_EQ(workers.finish().error().code, ErrorCode::cancelled);
}

}  // namespace
}  // namespace flatkv::parts

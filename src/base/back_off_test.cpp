// SPDX-License-Identifier: Apache-2.0
#include "base/back_off.hpp"

#include <gtest/gtest.h>

#include <set>

namespace flatkv {
namespace {

TEST(BackOff, GrowsToItsLimitWithJitterAndBeginsAnew) {
  constexpr BackOff::Times kTimes{std::chrono::milliseconds(200), std::chrono::milliseconds(30'000),
                                  50};
  BackOff back_off(kTimes);
  auto whole = kTimes.first;
  for (int i = 0; i < 20; ++i) {
    const auto wait = back_off.next();
    EXPECT_LE(wait, whole);
    EXPECT_GE(wait, whole / 2);
    whole = std::min(whole * 2, kTimes.longest);
  }
  std::set<std::chrono::milliseconds> waits;
  for (int i = 0; i < 10; ++i) waits.insert(back_off.next());
  EXPECT_GE(*waits.begin(), kTimes.longest / 2);
  EXPECT_GT(waits.size(), 1U) << "without jitter all come back at the same time";
  back_off.reset();
  EXPECT_LE(back_off.next(), kTimes.first);
}

}  // namespace
}  // namespace flatkv

// SPDX-License-Identifier: Apache-2.0
#include "base/version_arithmetic.hpp"

#include <gtest/gtest.h>

namespace flatkv {
namespace {

TEST(VersionArithmetic, NothingFollowsTheLast) {
  EXPECT_EQ(version_after(0), 1);
  EXPECT_EQ(version_after(kLastVersion - 1), kLastVersion);
  EXPECT_FALSE(version_after(kLastVersion));
  EXPECT_EQ(version_plus(kLastVersion - 16, 16), kLastVersion);
  EXPECT_FALSE(version_plus(kLastVersion - 15, 16));
  EXPECT_EQ(version_plus(0, -1), -1);
  EXPECT_FALSE(version_plus(std::numeric_limits<std::int64_t>::min(), -1));
}

}  // namespace
}  // namespace flatkv

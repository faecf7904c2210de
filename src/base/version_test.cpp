// SPDX-License-Identifier: Apache-2.0
#include "flatkv/version.hpp"

#include <gtest/gtest.h>

namespace flatkv {
namespace {

TEST(Version, TheLibrarySaysWhatTheHeadersAndTheBuildSay) {
  EXPECT_EQ(library_version(), FLATKV_VERSION_TEXT);
  EXPECT_EQ(library_version(), FLATKV_PROJECT_VERSION);
  EXPECT_EQ(FLATKV_VERSION_TEXT, std::to_string(FLATKV_VERSION / 1'000'000) + "." +
                                     std::to_string(FLATKV_VERSION / 1'000 % 1'000) + "." +
                                     std::to_string(FLATKV_VERSION % 1'000));
}

}  // namespace
}  // namespace flatkv

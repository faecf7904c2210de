// SPDX-License-Identifier: Apache-2.0
#include "objects/http_range.hpp"

#include <gtest/gtest.h>

namespace flatkv::objects {
namespace {

TEST(HttpRange, ContentRange) {
  EXPECT_EQ(parse_content_range("bytes 5-9/10"), (ContentRange{5, 9, 10}));
  EXPECT_EQ(parse_content_range("bytes 0-0/*"), (ContentRange{0, 0, std::nullopt}));
  for (const char* const value :
       {"", "bytes", "bytes 5-9", "bytes 9-5/10", "bytes 5-10/10", "bytes */10", "bytes -5-9/10",
        "bytes 5-9/x", "5-9/10", "bytes 5-9/10 ", "bytes 18446744073709551616-9/10"}) {
    EXPECT_EQ(parse_content_range(value), std::nullopt) << value;
  }
  EXPECT_EQ(parse_length("12"), 12U);
  EXPECT_EQ(parse_length("+12"), std::nullopt);
  EXPECT_EQ(parse_length(""), std::nullopt);
}

}  // namespace
}  // namespace flatkv::objects

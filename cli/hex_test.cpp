// SPDX-License-Identifier: Apache-2.0
#include "hex.hpp"

#include <gtest/gtest.h>

namespace flatkv::cli {
namespace {

TEST(Hex, EveryByteBothWays) {
  for (unsigned value = 0; value < 256; ++value) {
    const std::array<std::uint8_t, 1> byte = {static_cast<std::uint8_t>(value)};
    std::string text;
    append_hex(text, byte);
    auto back = hex_argument("x", text);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, Bytes(byte.begin(), byte.end()));
  }
}

TEST(Hex, EitherCaseWithOrWithoutPrefix) {
  for (const char* text : {"0aFf", "0x0aff", "0X0AFF"}) {
    EXPECT_EQ(*hex_argument("x", text), (Bytes{0x0a, 0xff})) << text;
  }
  EXPECT_TRUE(hex_argument("x", "")->empty());
  EXPECT_TRUE(hex_argument("x", "0x")->empty());
}

TEST(Hex, EveryCharacterThatIsNoDigitIsRefusedInEitherPlace) {
  for (unsigned value = 0; value < 256; ++value) {
    const auto c = static_cast<char>(value);
    const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    std::array<std::uint8_t, 2> out{};
    EXPECT_EQ(decode_hex(std::string{c, '1'}, out.data()).has_value(), digit) << value;
    if (c != 'x' && c != 'X') {
      EXPECT_EQ(decode_hex(std::string{'0', c}, out.data()).has_value(), digit) << value;
    }
  }
}

TEST(Hex, OddLengthIsNamed) {
  std::array<std::uint8_t, 4> out{};
  EXPECT_EQ(decode_hex("abc", out.data()).error(), HexFault::odd_length);
  EXPECT_EQ(decode_hex("abx", out.data()).error(), HexFault::not_hex);
  EXPECT_EQ(fixed_hex_argument<2>("ADDR", "aabbcc").error().exit, ExitCode::usage);
}

}  // namespace
}  // namespace flatkv::cli

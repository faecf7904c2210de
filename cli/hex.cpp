// SPDX-License-Identifier: Apache-2.0
#include "hex.hpp"

#include <array>

namespace flatkv::cli {
namespace {

constexpr std::uint8_t kBad = 0xff;

constexpr std::array<std::uint8_t, 256> kDigits = [] {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(kBad);
  for (std::uint8_t i = 0; i < 10; ++i) digits[static_cast<std::size_t>('0') + i] = i;
  for (std::uint8_t i = 0; i < 6; ++i) {
    const auto value = static_cast<std::uint8_t>(10 + i);
    digits[static_cast<std::size_t>('a') + i] = value;
    digits[static_cast<std::size_t>('A') + i] = value;
  }
  return digits;
}();

std::uint8_t digit(char c) noexcept { return kDigits[static_cast<std::uint8_t>(c)]; }

}  // namespace

std::string_view to_string(HexFault fault) noexcept {
  return fault == HexFault::odd_length ? "has an odd number of hex digits" : "is not hex";
}

std::expected<std::size_t, HexFault> decode_hex(std::string_view text, std::uint8_t* out) noexcept {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  std::uint8_t wrong = 0;  // one check at the end keeps the loop free of branches
  const std::size_t bytes = text.size() / 2;
  for (std::size_t i = 0; i < bytes; ++i) {
    const std::uint8_t high = digit(text[2 * i]);
    const std::uint8_t low = digit(text[2 * i + 1]);
    wrong |= static_cast<std::uint8_t>(high | low);
    out[i] = static_cast<std::uint8_t>((unsigned{high} << 4U) | (low & 0x0fU));
  }
  const bool odd = text.size() % 2 != 0;
  if (odd) wrong |= digit(text.back());
  if ((wrong & 0xf0U) != 0) return std::unexpected(HexFault::not_hex);
  if (odd) return std::unexpected(HexFault::odd_length);
  return bytes;
}

void append_hex(std::string& to, ByteView bytes) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  const std::size_t start = to.size();
  to.resize(start + 2 * bytes.size());
  char* out = to.data() + start;
  for (const std::uint8_t byte : bytes) {
    *out++ = kHex[byte >> 4U];
    *out++ = kHex[byte & 0x0fU];
  }
}

Outcome<Bytes> hex_argument(std::string_view what, std::string_view text) {
  Bytes bytes(text.size() / 2);
  const auto length = decode_hex(text, bytes.data());
  if (!length) {
    return trouble(ExitCode::usage,
                   std::string(what) + " " + std::string(to_string(length.error())) + ": \"" +
                       std::string(text.substr(0, 80)) + (text.size() > 80 ? "...\"" : "\""));
  }
  bytes.resize(*length);
  return bytes;
}

}  // namespace flatkv::cli

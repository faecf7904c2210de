// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "flatkv/bytes.hpp"
#include "outcome.hpp"

namespace flatkv::cli {

enum class HexFault : std::uint8_t { odd_length, not_hex };

std::string_view to_string(HexFault fault) noexcept;

/// Decodes hex in either case, with or without a leading 0x, into `out`, which has room for half of
/// `text`. Returns the number of bytes written.
std::expected<std::size_t, HexFault> decode_hex(std::string_view text, std::uint8_t* out) noexcept;

/// Appends lower-case hex.
void append_hex(std::string& to, ByteView bytes);

/// Hex from the command line; `what` names the argument in the message. Wrong use if malformed.
Outcome<Bytes> hex_argument(std::string_view what, std::string_view text);

/// The same with an exact number of bytes.
template <std::size_t N>
Outcome<std::array<std::uint8_t, N>> fixed_hex_argument(std::string_view what,
                                                        std::string_view text) {
  auto bytes = hex_argument(what, text);
  if (!bytes) return std::unexpected(std::move(bytes).error());
  if (bytes->size() != N) {
    return trouble(ExitCode::usage, std::string(what) + " has " + std::to_string(bytes->size()) +
                                        " bytes, want " + std::to_string(N));
  }
  std::array<std::uint8_t, N> fixed;
  std::copy(bytes->begin(), bytes->end(), fixed.begin());
  return fixed;
}

}  // namespace flatkv::cli

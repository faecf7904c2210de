// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flatkv/export.hpp"

namespace FLATKV_API flatkv {

/// Owned bytes.
using Bytes = std::vector<std::uint8_t>;

/// Borrowed bytes; valid only as long as their owner says.
using ByteView = std::span<const std::uint8_t>;

/// A BLAKE3-256 digest.
using Digest = std::array<std::uint8_t, 32>;

/// A 20-byte account address.
using Address = std::array<std::uint8_t, 20>;

/// A 32-byte storage slot index.
using Slot = std::array<std::uint8_t, 32>;

/// A 32-byte big-endian word: a balance or a code hash.
using Word = std::array<std::uint8_t, 32>;

/// The bytes of a string, without a copy.
inline ByteView as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// The same bytes as characters, without a copy.
inline std::string_view as_chars(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Lower-case hex without a prefix.
std::string to_hex(ByteView bytes);

}  // namespace flatkv

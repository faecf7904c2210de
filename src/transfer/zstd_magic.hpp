// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "flatkv/bytes.hpp"

namespace flatkv::transfer {

/// As many bytes of a file as tell whether it is compressed.
inline constexpr std::size_t kZstdMagicBytes = 4;

/// Whether a file that begins like this is compressed by zstd: with a frame, or a skippable one
/// before it (RFC 8878).
inline bool begins_as_zstd(ByteView head) noexcept {
  constexpr std::array<std::uint8_t, kZstdMagicBytes> kFrame = {0x28, 0xb5, 0x2f, 0xfd};
  constexpr std::array<std::uint8_t, kZstdMagicBytes> kSkippable = {0x50, 0x2a, 0x4d, 0x18};
  if (head.size() < kZstdMagicBytes) return false;
  const ByteView magic = head.first(kZstdMagicBytes);
  return std::ranges::equal(magic, kFrame) ||
         ((magic[0] & 0xf0U) == kSkippable[0] &&
          std::ranges::equal(magic.subspan(1), ByteView(kSkippable).subspan(1)));
}

}  // namespace flatkv::transfer

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "flatkv/bytes.hpp"

namespace flatkv {

/// CRC-32C (Castagnoli, reflected, as in RFC 3720). `before` is the CRC of the bytes that precede
/// these (0 at the start), so a long input can be taken in parts. Table-driven: for small files.
std::uint32_t crc32c(ByteView bytes, std::uint32_t before = 0) noexcept;

}  // namespace flatkv

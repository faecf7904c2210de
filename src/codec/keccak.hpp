// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "flatkv/bytes.hpp"

namespace flatkv::codec {

/// Keccak-256 with the padding of the original submission (a byte 0x01), as Ethereum uses it.
Word keccak256(ByteView bytes) noexcept;

}  // namespace flatkv::codec

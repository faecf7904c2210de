// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "flatkv/bytes.hpp"

namespace flatkv::test {

/// BLAKE3 as in its paper, one block at a time. For the model only: it shares nothing with the
/// library's.
void plain_blake3_xof(ByteView input, std::span<std::uint8_t> out);
Digest plain_blake3(ByteView input);

}  // namespace flatkv::test

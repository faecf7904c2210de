// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "flatkv/bytes.hpp"

namespace flatkv::memory {

/// 64-bit hash of an internal key: XXH3 with a secret that is random per process, because users of
/// the chain choose the keys and must not be able to make them collide. It goes to no disk.
std::uint64_t key_hash(ByteView key) noexcept;

}  // namespace flatkv::memory

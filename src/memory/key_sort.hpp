// SPDX-License-Identifier: Apache-2.0
#pragma once

// Private to this room.

#include <cstdint>
#include <vector>

#include "flatkv/bytes.hpp"

namespace flatkv::memory {

/// A key to be sorted, with the bytes that decide most comparisons beside it.
struct SortItem {
  std::uint64_t prefix = 0;  ///< eight bytes of the key, big-endian, padded with zeros
  const std::uint8_t* key = nullptr;
  std::uint32_t key_bytes = 0;
  std::uint32_t index = 0;  ///< for the caller
};

/// Eight bytes of a key from `depth` on, as a number that orders like them.
std::uint64_t key_prefix(ByteView key, std::size_t depth = 0) noexcept;

/// Sorts by key; `prefix` must be `key_prefix(key)`. Large inputs use the pool.
void sort_items(std::vector<SortItem>& items);

}  // namespace flatkv::memory

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "blake3/backend.hpp"
#include "flatkv/bytes.hpp"
#include "flatkv/lthash.hpp"

namespace flatkv::lthash {

/// Collects elements of equal length until they fill the kernel's lanes, hashes them together and
/// keeps their sum. Inputs longer than a chunk are hashed at once. Some 140 KB, of which little is
/// touched: keep one per thread, for one sum at a time.
class Collector {
 public:
  /// Starts a sum with the given kernel.
  void begin(const blake3::Backend& backend) noexcept;
  /// Adds or subtracts element(key, value); nothing if either is empty.
  void add(ByteView key, ByteView value, bool subtract) noexcept;
  /// Hashes what is left and adds the sum to `to`.
  void finish(LtHash& to) noexcept;

 private:
  static constexpr std::size_t kMostBlocks = blake3::kChunkBytes / blake3::kBlockBytes;
  // Space for one block of each lane of each group.
  static constexpr std::size_t kSlotBytes =
      blake3::kMaxLanes * blake3::kBlockBytes * kMostBlocks * (kMostBlocks + 1) / 2;

  struct Group {
    std::uint32_t last_block_bytes[blake3::kMaxLanes];
    bool subtract[blake3::kMaxLanes];
  };

  std::uint8_t* slot(std::size_t blocks, std::size_t index) noexcept;
  void add_large(ByteView key, ByteView value, bool subtract) noexcept;
  void add_terms(const blake3::Term* terms, std::size_t count) noexcept;
  void hash_group(std::size_t blocks) noexcept;

  const blake3::Backend* backend_ = nullptr;
  std::size_t batch_ = 1;
  // Whether the sums are in use, and therefore cleared.
  bool added_ = false;
  bool subtracted_ = false;
  std::uint8_t counts_[kMostBlocks + 1];
  Group groups_[kMostBlocks + 1];
  alignas(64) std::uint32_t plus_[blake3::kElementWords];
  alignas(64) std::uint32_t minus_[blake3::kElementWords];
  alignas(64) std::uint8_t slots_[kSlotBytes];
};

}  // namespace flatkv::lthash

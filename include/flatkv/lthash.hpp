// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "flatkv/bytes.hpp"
#include "flatkv/export.hpp"

namespace FLATKV_API flatkv {

/// Lattice hash of a set of rows: 1024 unsigned 16-bit limbs, added limb by limb modulo 2^16. It is
/// the sum of the elements of the rows; the element of (key, value) is 2048 bytes of BLAKE3 output
/// (XOF) over `u32 key length ‖ key ‖ u32 value length ‖ value`, little-endian, and zero if either
/// is empty. The order of additions does not matter and every addition can be undone. A value type
/// of 2048 bytes; the default is the hash of the empty set.
class LtHash {
 public:
  static constexpr std::size_t kLimbs = 1024;
  static constexpr std::size_t kBytes = 2 * kLimbs;

  LtHash& operator+=(const LtHash& other) noexcept;
  LtHash& operator-=(const LtHash& other) noexcept;
  friend LtHash operator+(LtHash a, const LtHash& b) noexcept { return a += b; }
  friend LtHash operator-(LtHash a, const LtHash& b) noexcept { return a -= b; }
  bool operator==(const LtHash&) const = default;

  /// The limbs in order, little-endian: 2048 bytes.
  std::array<std::uint8_t, kBytes> serialize() const noexcept;
  static LtHash deserialize(std::span<const std::uint8_t, kBytes> bytes) noexcept;

  /// BLAKE3-256 of the serialised form.
  Digest checksum() const noexcept;

  std::array<std::uint16_t, kLimbs>& limbs() noexcept { return limbs_; }
  const std::array<std::uint16_t, kLimbs>& limbs() const noexcept { return limbs_; }

 private:
  alignas(64) std::array<std::uint16_t, kLimbs> limbs_{};
};

}  // namespace flatkv

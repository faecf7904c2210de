// SPDX-License-Identifier: Apache-2.0
#include "flatkv/lthash.hpp"

#include "base/endian.hpp"
#include "blake3/blake3.hpp"

namespace flatkv {

LtHash& LtHash::operator+=(const LtHash& other) noexcept {
  for (std::size_t i = 0; i < kLimbs; ++i) {
    limbs_[i] = static_cast<std::uint16_t>(limbs_[i] + other.limbs_[i]);
  }
  return *this;
}

LtHash& LtHash::operator-=(const LtHash& other) noexcept {
  for (std::size_t i = 0; i < kLimbs; ++i) {
    limbs_[i] = static_cast<std::uint16_t>(limbs_[i] - other.limbs_[i]);
  }
  return *this;
}

std::array<std::uint8_t, LtHash::kBytes> LtHash::serialize() const noexcept {
  std::array<std::uint8_t, kBytes> bytes;
  for (std::size_t i = 0; i < kLimbs; ++i) store_le(bytes.data() + 2 * i, limbs_[i]);
  return bytes;
}

LtHash LtHash::deserialize(std::span<const std::uint8_t, kBytes> bytes) noexcept {
  LtHash result;
  for (std::size_t i = 0; i < kLimbs; ++i) {
    result.limbs_[i] = load_le<std::uint16_t>(bytes.data() + 2 * i);
  }
  return result;
}

Digest LtHash::checksum() const noexcept { return blake3::hash(serialize()); }

}  // namespace flatkv

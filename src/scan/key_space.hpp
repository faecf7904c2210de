// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "flatkv/bytes.hpp"

namespace flatkv::scan {

/// A distance between keys, taken as fractions of which the first 64 bytes count; of a key, that
/// from the empty one. Never negative.
class KeyDistance {
 public:
  KeyDistance() = default;
  explicit KeyDistance(ByteView key) noexcept;
  /// One of `parts` ≥ 1 equal parts of all keys.
  static KeyDistance one_of(std::uint32_t parts) noexcept;

  bool is_zero() const noexcept { return words_ == Words{}; }
  /// nullopt beyond the last key.
  std::optional<KeyDistance> operator+(const KeyDistance& other) const noexcept;
  /// `other` is not larger.
  KeyDistance operator-(const KeyDistance& other) const noexcept;
  /// At most that of all keys.
  KeyDistance times(std::uint32_t factor) const noexcept;
  /// At least the smallest that is not zero.
  KeyDistance over(std::uint32_t divisor) const noexcept;
  /// The shortest key at this distance.
  Bytes key() const;

 private:
  // The first word is the highest, so that a product or a rest fits into 64 bits.
  using Words = std::array<std::uint32_t, 16>;
  Words words_{};
};

}  // namespace flatkv::scan

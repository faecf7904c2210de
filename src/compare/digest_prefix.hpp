// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "flatkv/bytes.hpp"

// Keys as strings of bits, so that ranges can be fixed by bits although keys vary in length. Each
// byte becomes nine bits: a one, for "there is a byte", and its eight; a key ends with a zero. So
// no key's bits are a prefix of another's, and their order is that of the keys.
namespace flatkv::compare {

inline constexpr std::uint32_t kBitsPerByte = 9;

/// The first bit in which two different keys differ.
std::uint32_t first_difference(ByteView a, ByteView b) noexcept;

/// Bit `at` of a key, which must have it.
bool bit_of(ByteView key, std::uint32_t at) noexcept;

/// All keys whose first `bits` bits are those of `bytes`. Unused bits of `bytes` are zero, and
/// every byte has at least one bit in use. The default holds all keys.
struct KeyPrefix {
  Bytes bytes;
  std::uint32_t bits = 0;
  bool ended = false;  ///< the last bit ends the key: the prefix holds one key

  /// The first `bits` bits of a key, without its end.
  static KeyPrefix of(ByteView key, std::uint32_t bits);
  /// A whole key with its end: holds that key alone.
  static KeyPrefix whole(ByteView key);
  bool operator==(const KeyPrefix&) const = default;

  /// Whether `bytes` fits `bits`.
  bool well_formed() const noexcept;
  /// The keys whose next bit is `bit`.
  KeyPrefix child(bool bit) const;
  /// Whether it holds all keys of `other`.
  bool contains(const KeyPrefix& other) const noexcept;
  /// The first key, and the first key after all of them (nullopt: none).
  Bytes first() const;
  std::optional<Bytes> end() const;
};

/// The number of leading bits that two prefixes share; at most those of the shorter.
std::uint32_t common_bits(const KeyPrefix& a, const KeyPrefix& b) noexcept;

/// Bit `at` of a prefix, which must have it.
bool bit_of(const KeyPrefix& prefix, std::uint32_t at) noexcept;

}  // namespace flatkv::compare

#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "flatkv/bytes.hpp"

// Keys as strings of bits, so that ranges can be fixed by them though keys vary in length. Each
// byte is nine bits: a one, for "there is a byte", and its eight; a key ends with a zero. So no
// key's bits are the beginning of another's, and their order is that of the keys.
namespace flatkv::integrity {

inline constexpr std::uint32_t kBitsPerByte = 9;

/// The first bit in which two different keys differ.
std::uint32_t first_difference(ByteView a, ByteView b) noexcept;

/// Bit `at` of a key; one that it has.
bool bit_of(ByteView key, std::uint32_t at) noexcept;

/// All keys whose first `bits` bits are those of `bytes`. Unused bits of `bytes` are zero, and it
/// has no byte of which no bit counts. The default holds all keys.
struct KeyPrefix {
  Bytes bytes;
  std::uint32_t bits = 0;
  bool ended = false;  ///< the last bit says that the key ends here: one key

  /// The first `bits` bits of a key, not including its end.
  static KeyPrefix of(ByteView key, std::uint32_t bits);
  /// A whole key with its end: the prefix of that key alone.
  static KeyPrefix whole(ByteView key);
  bool operator==(const KeyPrefix&) const = default;

  /// Whether `bytes` is as it should be for `bits`.
  bool well_formed() const noexcept;
  /// Those of its keys whose next bit is this.
  KeyPrefix child(bool bit) const;
  /// Whether all keys of `other` are keys of this.
  bool contains(const KeyPrefix& other) const noexcept;
  /// The first key, and the first key after all of them; nothing if there is none.
  Bytes first() const;
  std::optional<Bytes> end() const;
};

/// Number of bits that two prefixes begin with alike; at most those of the shorter.
std::uint32_t common_bits(const KeyPrefix& a, const KeyPrefix& b) noexcept;

/// Bit `at` of a prefix; one that it has.
bool bit_of(const KeyPrefix& prefix, std::uint32_t at) noexcept;

}  // namespace flatkv::integrity

// SPDX-License-Identifier: Apache-2.0
#include "compare/digest_prefix.hpp"

#include <algorithm>
#include <bit>

namespace flatkv::compare {
namespace {

std::uint32_t bits_of_bytes(std::size_t count) {
  return static_cast<std::uint32_t>(count) * kBitsPerByte;
}

std::size_t common_bytes(ByteView a, ByteView b) {
  const std::size_t most = std::min(a.size(), b.size());
  return static_cast<std::size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(most), b.begin()).first -
      a.begin());
}

/// The bit in which two bytes at position `at` differ.
std::uint32_t bit_between(std::size_t at, std::uint8_t a, std::uint8_t b) {
  const auto differ = static_cast<std::uint8_t>(a ^ b);
  return bits_of_bytes(at) + 1 + static_cast<std::uint32_t>(std::countl_zero(differ));
}

std::optional<Bytes> after_all_with(Bytes beginning) {
  while (!beginning.empty() && beginning.back() == 0xff) beginning.pop_back();
  if (beginning.empty()) return std::nullopt;
  ++beginning.back();
  return beginning;
}

/// The bits of a byte of which the first `bits` are known.
std::uint8_t mask(std::uint32_t bits) { return static_cast<std::uint8_t>(0xff00U >> bits); }

}  // namespace

std::uint32_t first_difference(ByteView a, ByteView b) noexcept {
  const std::size_t same = common_bytes(a, b);
  if (same == a.size() || same == b.size()) return bits_of_bytes(same);
  return bit_between(same, a[same], b[same]);
}

bool bit_of(ByteView key, std::uint32_t at) noexcept {
  const std::size_t byte = at / kBitsPerByte;
  const std::uint32_t in_byte = at % kBitsPerByte;
  if (in_byte == 0) return byte < key.size();
  return ((key[byte] >> (8 - in_byte)) & 1U) != 0;
}

KeyPrefix KeyPrefix::of(ByteView key, std::uint32_t bits) {
  const std::size_t whole = bits / kBitsPerByte;
  const std::uint32_t in_byte = bits % kBitsPerByte;
  KeyPrefix prefix{to_bytes(key.first(whole)), bits, false};
  if (in_byte >= 2) {
    prefix.bytes.push_back(static_cast<std::uint8_t>(key[whole] & mask(in_byte - 1)));
  }
  return prefix;
}

KeyPrefix KeyPrefix::whole(ByteView key) {
  return {to_bytes(key), bits_of_bytes(key.size()) + 1, true};
}

bool KeyPrefix::well_formed() const noexcept {
  const std::uint32_t in_byte = bits % kBitsPerByte;
  if (bytes.size() != bits / kBitsPerByte + (in_byte >= 2 ? 1 : 0)) return false;
  if (ended) return in_byte == 1;
  return in_byte < 2 || (bytes.back() & ~mask(in_byte - 1)) == 0;
}

KeyPrefix KeyPrefix::child(bool bit) const {
  KeyPrefix next = *this;
  const std::uint32_t in_byte = bits % kBitsPerByte;
  ++next.bits;
  if (in_byte == 0) {
    next.ended = !bit;
    return next;
  }
  if (in_byte == 1) next.bytes.push_back(0);
  if (bit) next.bytes.back() = static_cast<std::uint8_t>(next.bytes.back() | 1U << (8 - in_byte));
  return next;
}

bool KeyPrefix::contains(const KeyPrefix& other) const noexcept {
  return common_bits(*this, other) == bits;
}

Bytes KeyPrefix::first() const {
  Bytes key = bytes;
  if (bits % kBitsPerByte == 1 && !ended) key.push_back(0);
  return key;
}

std::optional<Bytes> KeyPrefix::end() const {
  Bytes key = bytes;
  const std::uint32_t in_byte = bits % kBitsPerByte;
  if (ended) {
    key.push_back(0);
    return key;
  }
  // With the last byte's unknown bits set, its end is that of a prefix of whole bytes.
  if (in_byte >= 2) key.back() = static_cast<std::uint8_t>(key.back() | ~mask(in_byte - 1));
  return after_all_with(std::move(key));
}

std::uint32_t common_bits(const KeyPrefix& a, const KeyPrefix& b) noexcept {
  const std::uint32_t most = std::min(a.bits, b.bits);
  const std::size_t same = common_bytes(a.bytes, b.bytes);
  const KeyPrefix& shorter = a.bytes.size() <= b.bytes.size() ? a : b;
  if (same < shorter.bytes.size()) {
    return std::min(most, bit_between(same, a.bytes[same], b.bytes[same]));
  }
  const bool ends_apart = a.bytes.size() == b.bytes.size() ? a.ended != b.ended : shorter.ended;
  return ends_apart ? std::min(most, bits_of_bytes(same)) : most;
}

bool bit_of(const KeyPrefix& prefix, std::uint32_t at) noexcept {
  if (at % kBitsPerByte != 0) return bit_of(ByteView(prefix.bytes), at);
  return at / kBitsPerByte < prefix.bytes.size() || !prefix.ended;
}

}  // namespace flatkv::compare

// SPDX-License-Identifier: Apache-2.0
#include "scan/key_space.hpp"

#include <cstddef>

namespace flatkv::scan {
namespace {

constexpr std::size_t kBytesOfWord = 4;
constexpr std::uint32_t kAllOnes = 0xffff'ffff;

}  // namespace

KeyDistance::KeyDistance(ByteView key) noexcept {
  for (std::size_t at = 0; at < words_.size() * kBytesOfWord; ++at) {
    std::uint32_t& word = words_[at / kBytesOfWord];
    word = (word << 8U) | (at < key.size() ? key[at] : 0U);
  }
}

KeyDistance KeyDistance::one_of(std::uint32_t parts) noexcept {
  KeyDistance all;
  all.words_.fill(kAllOnes);
  return all.over(parts);
}

std::optional<KeyDistance> KeyDistance::operator+(const KeyDistance& other) const noexcept {
  KeyDistance sum;
  std::uint64_t carry = 0;
  for (std::size_t at = words_.size(); at-- > 0;) {
    carry += std::uint64_t{words_[at]} + other.words_[at];
    sum.words_[at] = static_cast<std::uint32_t>(carry);
    carry >>= 32U;
  }
  if (carry != 0) return std::nullopt;
  return sum;
}

KeyDistance KeyDistance::operator-(const KeyDistance& other) const noexcept {
  KeyDistance rest;
  std::uint64_t borrowed = 0;
  for (std::size_t at = words_.size(); at-- > 0;) {
    const std::uint64_t difference = std::uint64_t{words_[at]} - other.words_[at] - borrowed;
    rest.words_[at] = static_cast<std::uint32_t>(difference);
    borrowed = difference >> 63U;
  }
  return rest;
}

KeyDistance KeyDistance::times(std::uint32_t factor) const noexcept {
  KeyDistance product;
  std::uint64_t carry = 0;
  for (std::size_t at = words_.size(); at-- > 0;) {
    carry += std::uint64_t{words_[at]} * factor;
    product.words_[at] = static_cast<std::uint32_t>(carry);
    carry >>= 32U;
  }
  if (carry != 0) product.words_.fill(kAllOnes);
  return product;
}

KeyDistance KeyDistance::over(std::uint32_t divisor) const noexcept {
  KeyDistance quotient;
  std::uint64_t rest = 0;
  for (std::size_t at = 0; at < words_.size(); ++at) {
    rest = (rest << 32U) | words_[at];
    quotient.words_[at] = static_cast<std::uint32_t>(rest / divisor);
    rest %= divisor;
  }
  if (quotient.is_zero()) quotient.words_.back() = 1;
  return quotient;
}

Bytes KeyDistance::key() const {
  Bytes key;
  for (const std::uint32_t word : words_) {
    for (unsigned shift = 32; shift != 0;) {
      shift -= 8;
      key.push_back(static_cast<std::uint8_t>(word >> shift));
    }
  }
  while (!key.empty() && key.back() == 0) key.pop_back();
  return key;
}

}  // namespace flatkv::scan

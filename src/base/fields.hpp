// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/assert.hpp"
#include "base/endian.hpp"
#include "flatkv/roots.hpp"

// The fields of a binary header, little-endian.
namespace flatkv {

/// Writes fields one after the other; the memory must be large enough.
class Put {
 public:
  explicit Put(std::uint8_t* at) : at_(at) {}
  Put& u32(std::uint32_t value) noexcept {
    store_le(at_, value);
    at_ += sizeof value;
    return *this;
  }
  Put& u64(std::uint64_t value) noexcept {
    store_le(at_, value);
    at_ += sizeof value;
    return *this;
  }
  Put& version(std::int64_t value) noexcept {
    FLATKV_ASSERT(value >= 0);
    return u64(static_cast<std::uint64_t>(value));
  }
  Put& bytes(ByteView value) noexcept {
    at_ = std::ranges::copy(value, at_).out;
    return *this;
  }
  Put& roots(const Roots& value) noexcept {
    return bytes(value.root)
        .bytes(value.account)
        .bytes(value.code)
        .bytes(value.storage)
        .bytes(value.legacy);
  }

 private:
  std::uint8_t* at_;
};

/// Reads them back; the caller has checked that there are enough bytes.
class Get {
 public:
  explicit Get(const std::uint8_t* at) : at_(at) {}
  std::uint32_t u32() noexcept {
    const auto value = load_le<std::uint32_t>(at_);
    at_ += sizeof value;
    return value;
  }
  std::uint64_t u64() noexcept {
    const auto value = load_le<std::uint64_t>(at_);
    at_ += sizeof value;
    return value;
  }
  template <std::size_t N>
  void bytes(std::array<std::uint8_t, N>& into) noexcept {
    std::copy_n(at_, N, into.begin());
    at_ += N;
  }
  void roots(Roots& into) noexcept {
    bytes(into.root);
    bytes(into.account);
    bytes(into.code);
    bytes(into.storage);
    bytes(into.legacy);
  }

 private:
  const std::uint8_t* at_;
};

}  // namespace flatkv

// SPDX-License-Identifier: Apache-2.0
#pragma once

// Private to this room: the memory of cached rows.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/assert.hpp"
#include "flatkv/bytes.hpp"

namespace flatkv::memtable {

/// The header of a row in a ring; key and value follow it.
struct CachedRow {
  std::uint64_t hash;
  std::uint16_t units;  ///< size in the ring, in multiples of kUnit
  std::uint16_t key_bytes;
  std::uint32_t value_bytes : 24;
  std::uint32_t hits : 2;
  std::uint32_t database : 2;
  std::uint32_t present : 1;
  std::uint32_t live : 1;  ///< 0: the index does not lead here any more

  static constexpr std::size_t kUnit = 8;
  static constexpr std::uint32_t kMostHits = 3;

  std::size_t bytes() const noexcept { return units * kUnit; }
  std::uint8_t* data() noexcept { return reinterpret_cast<std::uint8_t*>(this + 1); }
  const std::uint8_t* data() const noexcept {
    return reinterpret_cast<const std::uint8_t*>(this + 1);
  }
  ByteView key() const noexcept { return {data(), key_bytes}; }
  ByteView value() const noexcept { return {data() + key_bytes, value_bytes}; }
};
static_assert(sizeof(CachedRow) == 16);

/// Rows in order of arrival in a fixed piece of memory: allocated at the head, freed at the tail.
class RowRing {
 public:
  RowRing() = default;
  /// `memory` is aligned to the unit and outlives the ring.
  explicit RowRing(std::span<std::uint8_t> memory)
      : memory_(memory.first(memory.size() / CachedRow::kUnit * CachedRow::kUnit)) {}

  std::size_t size() const noexcept { return memory_.size(); }

  /// Whether `take(bytes)` would find space without dropping a row.
  bool fits(std::size_t bytes) const noexcept {
    if (used_ == 0) return bytes <= memory_.size();
    if (head_ > tail_) return bytes <= memory_.size() - head_ || bytes <= tail_;
    return bytes <= tail_ - head_;
  }
  /// Space for a row of `bytes`, a multiple of the unit; it must fit.
  CachedRow* take(std::size_t bytes) noexcept {
    FLATKV_ASSERT(fits(bytes));
    if (used_ == 0) head_ = tail_ = 0;
    if (head_ >= tail_ && bytes > memory_.size() - head_) skip_rest();
    auto* row = reinterpret_cast<CachedRow*>(memory_.data() + head_);
    head_ += bytes;
    used_ += bytes;
    reached_ = std::max(reached_, head_);
    return row;
  }
  /// The oldest row; null if there is none.
  CachedRow* oldest() noexcept {
    if (used_ == 0) return nullptr;
    if (memory_.size() - tail_ < sizeof(CachedRow) || at(tail_)->units == 0) {
      used_ -= memory_.size() - tail_;
      tail_ = 0;
      if (used_ == 0) return nullptr;
    }
    return at(tail_);
  }
  /// Frees the oldest row's memory; its bytes stay until the next `take`.
  void drop_oldest() noexcept {
    const std::size_t bytes = at(tail_)->bytes();
    tail_ += bytes;
    used_ -= bytes;
    if (tail_ == memory_.size()) tail_ = 0;
    if (used_ == 0) head_ = tail_ = 0;
  }
  /// Memory that no row has used yet.
  std::span<std::uint8_t> fresh() const noexcept { return memory_.subspan(reached_); }

 private:
  CachedRow* at(std::size_t offset) noexcept {
    return reinterpret_cast<CachedRow*>(memory_.data() + offset);
  }
  /// Rows do not wrap: the rest before the end counts as used until the tail has passed it.
  void skip_rest() noexcept {
    const std::size_t rest = memory_.size() - head_;
    if (rest >= sizeof(CachedRow)) at(head_)->units = 0;
    used_ += rest;
    head_ = 0;
  }

  std::span<std::uint8_t> memory_;
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
  std::size_t used_ = 0;
  std::size_t reached_ = 0;  ///< the highest position of the head so far
};

}  // namespace flatkv::memtable

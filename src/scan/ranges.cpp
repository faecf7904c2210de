// SPDX-License-Identifier: Apache-2.0
#include "scan/ranges.hpp"

#include <algorithm>

#include "base/bytes.hpp"

namespace flatkv::scan {
namespace {

// Each look either finds the place or halves the span; empty parts cost nothing.
constexpr int kLooks = 32;

/// Moves to the last row below `key`; without one the cursor is not valid.
void seek_below(rocks::Cursor& cursor, ByteView key) {
  cursor.seek_for_previous(key);
  if (cursor.valid() && equal(cursor.key(), key)) cursor.previous();
}

/// Whether there are at least `count` rows at or above `key`.
bool has_rows(rocks::Cursor& cursor, ByteView key, std::size_t count) {
  cursor.seek(key);
  for (std::size_t seen = 0; cursor.valid(); cursor.next()) {
    if (++seen >= count) return true;
  }
  return false;
}

}  // namespace

std::optional<rocks::Bounds> RangeQueue::take() {
  std::unique_lock lock(mutex_);
  ++waiting_;
  note_hunger();
  changed_.wait(lock, [&] { return stopped_ || !ranges_.empty() || busy_ == 0; });
  --waiting_;
  if (stopped_ || ranges_.empty()) return std::nullopt;
  rocks::Bounds range = std::move(ranges_.back());
  ranges_.pop_back();
  note_hunger();
  ++busy_;
  return range;
}

void RangeQueue::done() {
  const std::lock_guard lock(mutex_);
  if (--busy_ == 0 && ranges_.empty()) changed_.notify_all();
}

void RangeQueue::give(rocks::Bounds range) {
  const std::lock_guard lock(mutex_);
  ranges_.push_back(std::move(range));
  note_hunger();
  changed_.notify_one();
}

void RangeQueue::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

std::optional<Bytes> middle(ByteView low, ByteView high) {
  const std::size_t size = std::max(low.size(), high.size());
  const auto digit = [](ByteView key, std::size_t at) {
    return at < key.size() ? static_cast<unsigned>(key[at]) : 0U;
  };
  // One byte longer than either, so that halving loses nothing.
  Bytes sum(size + 1);
  unsigned carry = 0;
  for (std::size_t at = size; at-- > 0;) {
    carry += digit(low, at) + digit(high, at);
    sum[at] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
  for (std::uint8_t& byte : sum) {
    const unsigned value = carry * 256 + byte;
    byte = static_cast<std::uint8_t>(value / 2);
    carry = value % 2;
  }
  // Keys that differ only by zeros at the end are equal as fractions.
  if (compare_bytes(low, sum) >= 0 || compare_bytes(sum, high) > 0) return std::nullopt;
  return sum;
}

Result<std::optional<Bytes>> split_point(const CursorFactory& cursors, ByteView low,
                                         const std::optional<Bytes>& upper, std::size_t worth) {
  const auto cursor = cursors({to_bytes(low), upper});
  cursor->seek_to_last();
  for (int look = 0; look < kLooks && cursor->valid(); ++look) {
    std::optional<Bytes> half = middle(low, cursor->key());
    if (!half) break;
    if (has_rows(*cursor, *half, worth)) return half;
    FLATKV_TRY(cursor->status());
    seek_below(*cursor, *half);
  }
  FLATKV_TRY(cursor->status());
  return std::optional<Bytes>();
}

}  // namespace flatkv::scan

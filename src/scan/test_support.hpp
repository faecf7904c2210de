// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <random>

#include "base/bytes.hpp"
#include "scan/scan.hpp"

namespace flatkv::scan {

struct Less {
  bool operator()(const Bytes& a, const Bytes& b) const { return compare_bytes(a, b) < 0; }
};
using Rows = std::map<Bytes, Bytes, Less>;

/// A cursor over a map whose bytes become invalid with each move, as RocksDB's do.
class MapCursor : public rocks::Cursor {
 public:
  MapCursor(const Rows& rows, const rocks::Bounds& bounds)
      : begin_(bounds.lower ? rows.lower_bound(*bounds.lower) : rows.begin()),
        end_(bounds.upper ? rows.lower_bound(*bounds.upper) : rows.end()),
        rows_(rows),
        at_(end_) {}

  void seek_to_first() override { move_to(begin_); }
  void seek_to_last() override { move_to(begin_ == end_ ? end_ : std::prev(end_)); }
  void seek(ByteView key) override {
    const auto found = rows_.lower_bound(to_bytes(key));
    const bool below = begin_ != end_ && compare_bytes(key, begin_->first) < 0;
    const bool above = end_ != rows_.end() && compare_bytes(key, end_->first) >= 0;
    move_to(below ? begin_ : above ? end_ : found);
  }
  void seek_for_previous(ByteView key) override {
    seek(key);
    if (valid() && equal(key_, key)) return;
    if (at_ == begin_) {
      move_to(end_);
    } else {
      move_to(std::prev(at_));
    }
  }
  void next() override { move_to(std::next(at_)); }
  void previous() override { move_to(at_ == begin_ ? end_ : std::prev(at_)); }
  bool valid() const override { return at_ != end_; }
  Status status() const override { return {}; }
  ByteView key() const override { return key_; }
  ByteView value() const override { return value_; }

 protected:
  virtual void move_to(Rows::const_iterator at) {
    at_ = at;
    std::ranges::fill(key_, 0xee);
    std::ranges::fill(value_, 0xee);
    key_ = at_ != end_ ? at_->first : Bytes{};
    value_ = at_ != end_ ? at_->second : Bytes{};
  }
  Rows::const_iterator begin_;
  Rows::const_iterator end_;
  const Rows& rows_;
  Rows::const_iterator at_;
  Bytes key_;
  Bytes value_;
};

inline CursorFactory over(const Rows& rows) {
  return [&rows](const rocks::Bounds& bounds) { return std::make_unique<MapCursor>(rows, bounds); };
}

inline Bytes random_bytes(std::mt19937_64& random, std::size_t size) {
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

inline Rows uniform_rows(std::size_t count) {
  std::mt19937_64 random(7);
  Rows rows;
  while (rows.size() < count) rows[random_bytes(random, 20)] = random_bytes(random, 40);
  return rows;
}

/// One contract with nearly all slots, numbered, and a few keys far away on both sides.
inline Rows skewed_rows(std::size_t count) {
  Rows rows;
  Bytes key(52, 0x77);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t byte = 0; byte < 4; ++byte) {
      key[51 - byte] = static_cast<std::uint8_t>(i >> (8 * byte));
    }
    rows[key] = Bytes(32, static_cast<std::uint8_t>(i));
  }
  rows[Bytes{0}] = {1};
  rows[Bytes(52, 0xff)] = {2};
  return rows;
}

}  // namespace flatkv::scan

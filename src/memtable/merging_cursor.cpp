// SPDX-License-Identifier: Apache-2.0
#include "memtable/merging_cursor.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "memtable/memtable.hpp"

namespace flatkv::memtable {
namespace {

using Row = Memtable::Row;

/// Sorted rows of one layer, within the cursor's bounds.
class RowLayer {
 public:
  RowLayer(std::vector<Row> owned, const rocks::Bounds& bounds) : owned_(std::move(owned)) {
    restrict(owned_, bounds);
  }
  /// Shares the order that the buffer has built.
  RowLayer(std::shared_ptr<const Memtable> buffer, const rocks::Bounds& bounds)
      : buffer_(std::move(buffer)) {
    restrict(buffer_->sorted(), bounds);
  }
  RowLayer(std::shared_ptr<const Memtable> buffer, std::vector<Row> owned)
      : buffer_(std::move(buffer)), owned_(std::move(owned)), rows_(owned_), at_(rows_.size()) {}
  RowLayer(MemtableLayer layer, const rocks::Bounds& bounds)
      : buffer_(std::move(layer.buffer)), shared_(std::move(layer.collected)) {
    restrict(*shared_, bounds);
  }
  RowLayer(RowLayer&&) = default;  // moving a vector does not move its elements
  RowLayer& operator=(RowLayer&&) = default;

  void seek(ByteView key) { at_ = first_from(key); }
  void seek_for_previous(ByteView key) {
    at_ = first_from(key);
    if (at_ == rows_.size() || compare_bytes(rows_[at_].key, key) > 0) previous();
  }
  void seek_to_first() { at_ = 0; }
  void seek_to_last() { at_ = rows_.size() - 1; }  // if empty, wraps to an invalid position
  void next() { ++at_; }
  void previous() { --at_; }  // before the first: wraps
  bool valid() const { return at_ < rows_.size(); }
  const Row& row() const { return rows_[at_]; }

 private:
  static bool before(const Row& row, ByteView key) { return compare_bytes(row.key, key) < 0; }

  std::size_t first_from(ByteView key) const {
    return static_cast<std::size_t>(
        std::ranges::lower_bound(
            rows_, key, [](ByteView a, ByteView b) { return compare_bytes(a, b) < 0; }, &Row::key) -
        rows_.begin());
  }
  void restrict(std::span<const Row> all, const rocks::Bounds& bounds) {
    rows_ = all;
    if (bounds.empty()) {
      rows_ = {};
    } else {
      if (bounds.upper) rows_ = rows_.first(first_from(*bounds.upper));
      if (bounds.lower) rows_ = rows_.subspan(first_from(*bounds.lower));
    }
    at_ = rows_.size();
  }

  std::shared_ptr<const Memtable> buffer_;
  std::vector<Row> owned_;
  std::shared_ptr<const std::vector<Row>> shared_;
  std::span<const Row> rows_;
  std::size_t at_ = 0;
};

/// Newest layer first; the pinned database below all of them.
class MergedCursor final : public rocks::Cursor {
 public:
  MergedCursor(std::vector<RowLayer> layers, std::unique_ptr<rocks::Cursor> base)
      : layers_(std::move(layers)), base_(std::move(base)) {}

  void seek_to_first() override {
    each([](auto& layer) { layer.seek_to_first(); });
    settle(Direction::forward);
  }
  void seek_to_last() override {
    each([](auto& layer) { layer.seek_to_last(); });
    settle(Direction::backward);
  }
  void seek(ByteView key) override {
    each([&](auto& layer) { layer.seek(key); });
    settle(Direction::forward);
  }
  void seek_for_previous(ByteView key) override {
    each([&](auto& layer) { layer.seek_for_previous(key); });
    settle(Direction::backward);
  }
  void next() override { step(Direction::forward); }
  void previous() override { step(Direction::backward); }

  bool valid() const override { return valid_; }
  Status status() const override { return base_ ? base_->status() : Status{}; }
  ByteView key() const override { return current_.key; }
  ByteView value() const override { return current_.value; }

 private:
  enum class Direction : std::uint8_t { forward, backward };

  template <class Move>
  void each(Move move) {
    for (RowLayer& layer : layers_) move(layer);
    if (base_) move(*base_);
  }

  void step(Direction direction) {
    FLATKV_ASSERT(valid_);
    if (direction != direction_) turn(direction);
    pass(current_.key);
    settle(direction);
  }

  /// Puts every layer where it would be if the cursor had always moved in this direction: at the
  /// current key or the next one that way.
  void turn(Direction direction) {
    turned_key_ = to_bytes(current_.key);  // the database's copy of it dies when its cursor moves
    const ByteView key = turned_key_;
    if (direction == Direction::forward) {
      each([&](auto& layer) { layer.seek(key); });
    } else {
      each([&](auto& layer) { layer.seek_for_previous(key); });
    }
    direction_ = direction;
    current_.key = key;
  }

  /// Moves every layer at `key` past it. The database moves last because `key` may point into it.
  void pass(ByteView key) {
    const auto advance = [this](auto& layer) {
      direction_ == Direction::forward ? layer.next() : layer.previous();
    };
    for (RowLayer& layer : layers_) {
      if (layer.valid() && equal(layer.row().key, key)) advance(layer);
    }
    if (base_ && base_->valid() && equal(base_->key(), key)) advance(*base_);
  }

  /// Finds the nearest key that is not deleted; its newest row hides the older ones.
  void settle(Direction direction) {
    direction_ = direction;
    while (nearest() && current_.remove) pass(current_.key);
  }

  /// Sets `current_` to the newest row of the nearest key; false at the end or after an error.
  bool nearest() {
    valid_ = false;
    // A read error must not look like the end of the rows.
    if (base_ && !base_->valid() && !base_->status()) return false;
    const auto offer = [this](const Row& row) {
      if (valid_) {
        const int order = compare_bytes(row.key, current_.key);
        if (order == 0 || (order < 0) != (direction_ == Direction::forward)) return;
      }
      current_ = row;
      valid_ = true;
    };
    for (const RowLayer& layer : layers_) {
      if (layer.valid()) offer(layer.row());
    }
    if (base_ && base_->valid()) offer({base_->key(), base_->value(), false, false});
    return valid_;
  }

  std::vector<RowLayer> layers_;
  std::unique_ptr<rocks::Cursor> base_;
  Direction direction_ = Direction::forward;
  bool valid_ = false;
  Row current_;
  Bytes turned_key_;
};

}  // namespace

std::unique_ptr<rocks::Cursor> merging_cursor(
    std::vector<Memtable::Row> overlay, std::vector<MemtableLayer> layers,
    const std::shared_ptr<const rocks::PinnedDatabase>& snapshot, const rocks::Bounds& bounds,
    std::size_t readahead_bytes) {
  std::vector<RowLayer> rows;
  rows.reserve(layers.size() + 1);
  if (!overlay.empty()) rows.emplace_back(std::move(overlay), bounds);
  for (MemtableLayer& layer : layers) {
    // The shared order has the newest entries; who does not see all of them needs one of its own.
    if (layer.collected) {
      rows.emplace_back(std::move(layer), bounds);
    } else if (layer.frozen && layer.buffer->is_whole_for(layer.reach)) {
      rows.emplace_back(std::move(layer.buffer), bounds);
    } else {
      std::vector<Memtable::Row> collected = layer.buffer->collect(bounds, layer.reach);
      rows.emplace_back(std::move(layer.buffer), std::move(collected));
    }
  }
  return std::make_unique<MergedCursor>(
      std::move(rows), snapshot ? snapshot->cursor(bounds, readahead_bytes) : nullptr);
}

}  // namespace flatkv::memtable

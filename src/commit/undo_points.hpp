// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <optional>

#include "changelog/undo_mark.hpp"
#include "state/state.hpp"

namespace flatkv::commit {

/// What goes with a version that its rows do not tell: enough to make its state from a later one
/// whose buffers still have its entries. The log has only checksums, so hashes are kept here.
struct UndoPoint {
  std::int64_t version = 0;
  memtable::Stamp stamp = 0;
  Digest chain{};
  Roots roots;
  PerDataDatabase<std::shared_ptr<const LtHash>> hashes;
  PerDataDatabase<DatabaseStats> stats;
  bool level = true;  ///< all databases were at `version`; during replay they may not be
  std::optional<changelog::Tip> place;  ///< where the log ends with it; unset if it was replayed
  std::uint64_t log_bytes = 0;          ///< appended up to it

  explicit UndoPoint(const state::State& state)
      : version(state.version), stamp(state.stamp), chain(state.chain), roots(state.roots) {
    for (const Database database : kDataDatabases) {
      const state::DbState& own = state.of(database);
      hashes[database] = own.hash;
      stats[database] = own.stats;
      level = level && own.version == version;
    }
  }
};

/// The points of the last versions before the committed one, without a gap; 10 KiB each. The
/// writer's.
class UndoPoints {
 public:
  explicit UndoPoints(std::uint64_t most) : most_(most) {}

  bool on() const noexcept { return most_ != 0; }
  void push(UndoPoint point) {
    if (!point.level) return;  // it is of no one version
    points_.push_back(std::move(point));
    if (points_.size() > most_) points_.pop_front();
  }
  /// Null if the version has none.
  const UndoPoint* find(std::int64_t version) const {
    if (points_.empty() || version < points_.front().version) return nullptr;
    const auto at = static_cast<std::size_t>(version - points_.front().version);
    return at < points_.size() ? &points_[at] : nullptr;
  }
  void drop_from(std::int64_t version) {
    while (!points_.empty() && points_.back().version >= version) points_.pop_back();
  }
  void drop_below(std::int64_t version) {
    while (!points_.empty() && points_.front().version < version) points_.pop_front();
  }
  void add_log_bytes(std::uint64_t bytes) {
    for (UndoPoint& point : points_) point.log_bytes += bytes;
  }
  std::optional<std::int64_t> first() const {
    if (points_.empty()) return std::nullopt;
    return points_.front().version;
  }

 private:
  std::uint64_t most_;
  std::deque<UndoPoint> points_;
};

}  // namespace flatkv::commit

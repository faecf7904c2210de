// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace flatkv::memtable {

/// Numbers the commits into buffers, in order and never twice, whatever is undone in between. A
/// version may be committed again after an undo, a stamp may not.
using Stamp = std::uint64_t;

/// Stamps above `after`, up to and including `last`: commits that were undone together.
struct DeadRange {
  Stamp after = 0;
  Stamp last = 0;
};
/// Ascending, without overlaps.
using DeadRanges = std::vector<DeadRange>;

/// The entries that a state can see: those of its commits and of all before, but for the undone.
struct Reach {
  Stamp stamp = 0;
  const DeadRanges* dead = nullptr;  ///< null: nothing was undone

  bool sees(Stamp entry) const noexcept {
    return entry <= stamp && (dead == nullptr || !is_dead(entry));
  }
  /// Whether it sees all entries with a stamp from `first` to `last`.
  bool sees_all(Stamp first, Stamp last) const noexcept {
    if (last > stamp) return false;
    if (dead == nullptr) return true;
    const auto range = from(first);
    return range == dead->end() || range->after >= last;
  }

 private:
  bool is_dead(Stamp entry) const noexcept {
    const auto range = from(entry);
    return range != dead->end() && range->after < entry;
  }
  /// The first range that does not end below `entry`.
  DeadRanges::const_iterator from(Stamp entry) const noexcept {
    return std::ranges::lower_bound(*dead, entry, {}, &DeadRange::last);
  }
};

}  // namespace flatkv::memtable

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "memtable/memtable.hpp"

namespace flatkv::memtable {

/// A frozen or active buffer as a state sees it, for iteration.
struct MemtableLayer {
  std::shared_ptr<const Memtable> buffer;
  Reach reach;          ///< its ranges are read only while the cursor is made
  bool frozen = false;  ///< there are no more inserts
  /// What `collect` gave for all bounds, to be shared by several cursors; null: it is called anew.
  std::shared_ptr<const std::vector<Memtable::Row>> collected{};
};

/// Iterates, in both directions, over the rows of a database as its layers show them: `overlay`
/// first, then `layers` newest first, then the pinned database (null: none). Deleted rows do not
/// appear. `overlay` holds pending writes sorted by key; what its views point to must outlive the
/// cursor. The cursor keeps the rest alive.
std::unique_ptr<rocks::Cursor> merging_cursor(
    std::vector<Memtable::Row> overlay, std::vector<MemtableLayer> layers,
    const std::shared_ptr<const rocks::PinnedDatabase>& snapshot, const rocks::Bounds& bounds,
    std::size_t readahead_bytes = 0);

}  // namespace flatkv::memtable

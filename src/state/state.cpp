// SPDX-License-Identifier: Apache-2.0
#include "state/state.hpp"

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "memtable/merging_cursor.hpp"

namespace flatkv::state {

memtable::Lookup find_in_buffers(const DbState& database, ByteView key, std::uint64_t hash,
                                 const memtable::Reach& reach) {
  memtable::Lookup found = database.active->find(key, hash, reach);
  for (const auto& frozen : database.frozen) {
    if (found.presence != memtable::Presence::unknown) break;
    found = frozen->find(key, hash, reach);
  }
  return found;
}

std::unique_ptr<rocks::Cursor> rows_of(const std::shared_ptr<const State>& state, Database database,
                                       const rocks::Bounds& bounds,
                                       std::vector<memtable::Memtable::Row> overlay) {
  const DbState& db = state->of(database);
  std::vector<memtable::MemtableLayer> layers;
  layers.push_back({db.active, state->reach(), false});
  for (const auto& frozen : db.frozen) layers.push_back({frozen, state->reach(), true});
  return memtable::merging_cursor(std::move(overlay), std::move(layers), db.snapshot, bounds);
}

}  // namespace flatkv::state

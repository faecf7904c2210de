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

namespace {

std::vector<memtable::MemtableLayer> layers_of(const State& state, const DbState& db) {
  std::vector<memtable::MemtableLayer> layers;
  layers.push_back({db.active, state.reach(), false});
  for (const auto& frozen : db.frozen) layers.push_back({frozen, state.reach(), true});
  return layers;
}

}  // namespace

std::unique_ptr<rocks::Cursor> rows_of(const std::shared_ptr<const State>& state, Database database,
                                       const rocks::Bounds& bounds,
                                       std::vector<memtable::Memtable::Row> overlay,
                                       std::size_t readahead_bytes) {
  const DbState& db = state->of(database);
  return memtable::merging_cursor(std::move(overlay), layers_of(*state, db), db.snapshot, bounds,
                                  readahead_bytes);
}

rocks::CursorFactory cursors_of(const std::shared_ptr<const State>& state, Database database) {
  std::vector<memtable::MemtableLayer> layers = layers_of(*state, state->of(database));
  for (memtable::MemtableLayer& layer : layers) {
    if (layer.frozen && layer.buffer->is_whole_for(layer.reach)) continue;
    layer.collected = std::make_shared<const std::vector<memtable::Memtable::Row>>(
        layer.buffer->collect({}, layer.reach));
  }
  return [state, database, layers = std::move(layers)](const rocks::Bounds& bounds) {
    return memtable::merging_cursor({}, layers, state->of(database).snapshot, bounds,
                                    rocks::kScanReadahead);
  };
}

}  // namespace flatkv::state

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "block/absent_key_filter.hpp"
#include "memory/arena.hpp"
#include "memtable/row_cache.hpp"
#include "state/state.hpp"

namespace flatkv::block {

struct BlockRow;

/// What to do with a row that was read from the tables.
enum class Keep : std::uint8_t {
  nothing,   ///< the row is about to be overwritten, and the flush will cache the new value
  in_cache,  ///< the row may be read again
};

/// Looks up the values of many rows at the last commit: first in the buffers, then in the row
/// cache, then in the filter of absent keys, then with one sorted multi-get for the rest. A failed
/// read is an error, never "absent" (docs/hazards.md#error-as-not-found).
class RowLookup {
 public:
  /// Called once for each row, in no particular order. `copied`: the old value lies in the arena,
  /// not in the state's buffers.
  using Sink = std::function<void(BlockRow&, bool copied)>;

  /// Either may be null. Both belong to the current state: with them, only that state may be read.
  RowLookup(memtable::RowCache* cache, AbsentKeyFilter* absent) : cache_(cache), absent_(absent) {}

  /// Fills had_old and old_value of `rows` by their key and hash. Values stay in the state's
  /// buffers or are copied to `*arena` one by one: between two rows the sink may clear the arena or
  /// change the pointer to another one. On error the rows are unspecified and nothing else has
  /// changed.
  Status read(const state::State& state, Database database, std::span<BlockRow> rows,
              memory::Arena* const& arena, Keep keep, const Sink& sink = {});

 private:
  void look_in_memory(const state::State& state, Database database, std::span<BlockRow> rows,
                      memory::Arena* const& arena, const Sink& sink);
  Status look_in_tables(const state::State& state, Database database, std::span<BlockRow> rows,
                        memory::Arena* const& arena, Keep keep, const Sink& sink);
  void drop_absent(Database database, std::span<BlockRow> rows, const Sink& sink);

  struct Missing {
    std::uint64_t prefix;
    std::uint32_t row;
  };
  memtable::RowCache* cache_;
  AbsentKeyFilter* absent_;
  std::vector<Missing> missing_;
  std::vector<ByteView> keys_;
};

}  // namespace flatkv::block

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

/// What becomes of a row that had to be read from the tables.
enum class Keep : std::uint8_t {
  nothing,   ///< it is about to be overwritten, and the flush brings what was written
  in_cache,  ///< it may be read again
};

/// Looks up what many rows held at the last commit: buffers first, then the row cache, then the
/// filter of absent keys, then one sorted multi-get for what is left. A failed read is an error,
/// never "absent" (docs/hazards.md#error-as-not-found).
class RowLookup {
 public:
  /// Called with each row once it is known, in no order that means anything. `copied`: the old
  /// value lies in the arena, not in the state's buffers.
  using Sink = std::function<void(BlockRow&, bool copied)>;

  /// Either may be null. Both are of the current state: with them only that may be read.
  RowLookup(memtable::RowCache* cache, AbsentKeyFilter* absent) : cache_(cache), absent_(absent) {}

  /// Fills had_old and old_value of `rows`, by their key and hash. Values live in the state's
  /// buffers or are copied into `*arena`, one after the other: the sink may let go of what is there
  /// and lead to another arena before the next comes. On error the rows are unspecified and nothing
  /// else has changed.
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

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "block/absent_key_filter.hpp"
#include "block/ancestors.hpp"
#include "memory/arena.hpp"
#include "memtable/row_cache.hpp"
#include "state/state.hpp"

namespace flatkv::block {

struct BlockRow;
class Prefetcher;
class ReplayWindow;

/// What to do with a row that was read from the tables.
enum class Keep : std::uint8_t {
  nothing,   ///< the row is about to be overwritten, and the flush will cache the new value
  in_cache,  ///< the row may be read again
};

/// What rows are looked up through. Borrowed for the lookup.
struct Ground {
  const state::State& state;
  /// Uncommitted blocks above it, from `first` on; null: none.
  const Ancestors* ancestors = nullptr;
  std::size_t first = 0;
  /// Logged blocks above it that replay has not published yet; null: none.
  const ReplayWindow* replayed = nullptr;
};

/// Where a value that was found lies.
enum class Values : std::uint8_t {
  in_place,  ///< in a buffer of the state, in an ancestor, or in the arena
  copied,    ///< always in the arena
};

/// Looks up rows: first in uncommitted blocks and those that replay has read ahead, then in the
/// state's buffers, in the row cache, in the filter of absent keys, and in the tables, with one
/// sorted multi-get for all that are left. Every read of rows by key goes through here, whether of
/// one row or of many. A failed read is an error, never "absent"
/// (docs/hazards.md#error-as-not-found).
///
/// One thread at a time: each user has a lookup of its own, since it keeps memory for the next
/// call. Any number of them may share a cache and a filter.
class RowLookup {
 public:
  /// Called once for each row, in no particular order. `copied`: the old value lies in the arena.
  using Sink = std::function<void(BlockRow&, bool copied)>;

  /// Each may be null. They belong to a running store; what they know is used for its published
  /// states as far back as it holds. Rows that `prefetcher` is reading are not read again.
  RowLookup(memtable::RowCache* cache, AbsentKeyFilter* absent, Prefetcher* prefetcher = nullptr)
      : cache_(cache), absent_(absent), prefetcher_(prefetcher) {}

  /// Another one for the same store.
  RowLookup another() const { return {cache_, absent_, prefetcher_}; }

  /// Fills had_old and old_value of `rows` by their key and hash. Values that do not stay in place
  /// are copied to `*arena` one by one: between two rows the sink may clear the arena or change the
  /// pointer to another one. On error the rows are unspecified and nothing else has changed.
  Status read(const Ground& ground, Database database, std::span<BlockRow> rows,
              memory::Arena* const& arena, Keep keep, Values values, const Sink& sink = {});

  /// As `read`, but only of what is in memory: rows that only a table can tell of stay as they are,
  /// and the sink is not called for them.
  void read_memory(const Ground& ground, Database database, std::span<BlockRow> rows,
                   memory::Arena* const& arena, Values values, const Sink& sink);

  /// Has tables read on so many cores where many rows are asked for together.
  void use_cores(std::size_t cores) noexcept { cores_ = cores; }

  /// How many rows of the last `read` were looked up in the tables.
  std::size_t last_from_tables() const noexcept { return from_tables_; }

  /// One row; nullopt if absent.
  Result<std::optional<Bytes>> get(const Ground& ground, Database database, ByteView key);

 private:
  void look_in_memory(const Ground& ground, Database database, std::span<BlockRow> rows,
                      memory::Arena* const& arena, Values values, const Sink& sink);
  Status look_in_tables(const state::State& state, Database database, std::span<BlockRow> rows,
                        memory::Arena* const& arena, Keep keep, const Sink& sink);
  void drop_absent(const state::State& state, Database database, std::span<BlockRow> rows,
                   const Sink& sink);
  void set_aside(Database database, std::span<const BlockRow> rows, std::uint64_t batches);
  void set_read_aside(Database database, std::span<const BlockRow> rows);
  void look_in_cache_again(const state::State& state, Database database, std::span<BlockRow> rows,
                           memory::Arena* const& arena, const Sink& sink);

  struct Missing {
    std::uint64_t prefix;
    std::uint32_t row;
  };
  memtable::RowCache* cache_;
  AbsentKeyFilter* absent_;
  Prefetcher* prefetcher_;
  std::size_t cores_ = 1;
  std::size_t from_tables_ = 0;
  std::vector<Missing> missing_;
  std::vector<Missing> aside_;  ///< those that are being prefetched
  std::uint64_t aside_until_ = 0;
  std::vector<ByteView> keys_;
};

}  // namespace flatkv::block

// SPDX-License-Identifier: Apache-2.0
#include "block/row_lookup.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/failpoint.hpp"
#include "base/reuse.hpp"
#include "block/block_rows.hpp"
#include "block/prefetcher.hpp"
#include "block/replay_window.hpp"
#include "memory/key_sort.hpp"

namespace flatkv::block {
namespace {

// Rows whose cache misses overlap: more than a core's outstanding loads, few enough for its
// first-level cache.
constexpr std::size_t kGroup = 32;
/// How many values ahead the row is loaded that one belongs to.
constexpr std::size_t kAhead = 8;

void found(BlockRow& row, bool present, ByteView value, bool copied, const RowLookup::Sink& sink) {
  row.had_old = present;
  row.old_value = present ? value : ByteView{};
  if (sink) sink(row, copied);
}

/// Reads values one at a time where a database may hold huge ones: where its values take much more
/// than the same number of ordinary ones would.
rocks::PinnedDatabase::AtOnce at_once(Database database, const DatabaseStats& stats) {
  constexpr PerDataDatabase<std::uint64_t> kOrdinaryBytes{{72, 0, 32, 128}};
  constexpr std::uint64_t kMuch = std::uint64_t{64} << 20;
  const std::uint64_t ordinary = stats.rows * kOrdinaryBytes[database];
  return stats.value_bytes > ordinary + kMuch ? rocks::PinnedDatabase::AtOnce::one
                                              : rocks::PinnedDatabase::AtOnce::many;
}

}  // namespace

/// Makes three passes over a group. Each uses memory that the pass before it prefetched: index
/// places, then rows, then the lookup itself.
void RowLookup::look_in_memory(const Ground& ground, Database database, std::span<BlockRow> rows,
                               memory::Arena* const& arena, Values values, const Sink& sink) {
  const state::DbState& db = ground.state.of(database);
  const memtable::Reach reach = ground.state.reach();
  for (std::size_t begin = 0; begin < rows.size(); begin += kGroup) {
    const auto group = rows.subspan(begin, std::min(kGroup, rows.size() - begin));
    for (const BlockRow& row : group) {
      db.active->prefetch(row.hash);
      for (const auto& frozen : db.frozen) frozen->prefetch(row.hash);
      if (cache_ != nullptr) cache_->prefetch(database, row.hash);
      if (ground.replayed != nullptr) ground.replayed->prefetch(database, row.hash);
    }
    for (const BlockRow& row : group) {
      db.active->prefetch_row(row.hash);
      for (const auto& frozen : db.frozen) frozen->prefetch_row(row.hash);
      if (cache_ != nullptr) cache_->prefetch_row(database, row.hash);
      if (ground.replayed != nullptr) ground.replayed->prefetch_row(database, row.hash);
    }
    for (std::size_t i = 0; i < group.size(); ++i) {
      BlockRow& row = group[i];
      memtable::Lookup look;
      if (ground.ancestors != nullptr) {
        look = ground.ancestors->find(database, row.key, row.hash, ground.first);
      }
      if (ground.replayed != nullptr) look = ground.replayed->find(database, row.key, row.hash);
      if (look.presence == memtable::Presence::unknown) {
        look = state::find_in_buffers(db, row.key, row.hash, reach);
      }
      bool copied = look.presence == memtable::Presence::unknown;
      if (copied && cache_ != nullptr) {
        look = cache_->find(database, row.key, row.hash, reach.stamp, *arena);
      }
      if (look.presence == memtable::Presence::unknown) {
        missing_.push_back({memory::key_prefix(row.key), static_cast<std::uint32_t>(begin + i)});
        continue;
      }
      if (!copied && values == Values::copied) {
        look.value = arena->copy(look.value);
        copied = true;
      }
      found(row, look.presence == memtable::Presence::present, look.value, copied, sink);
    }
  }
}

/// Drops from `missing_` the keys that no table can have.
void RowLookup::drop_absent(const state::State& state, Database database, std::span<BlockRow> rows,
                            const Sink& sink) {
  if (absent_ == nullptr || missing_.empty()) return;
  const auto filters = absent_->answers(database, state.stamp);
  if (filters == nullptr) return;
  std::size_t kept = 0;
  for (std::size_t begin = 0; begin < missing_.size(); begin += kGroup) {
    const std::size_t end = std::min(begin + kGroup, missing_.size());
    for (std::size_t i = begin; i < end; ++i) {
      filters->prefetch(rows[missing_[i].row].hash);
    }
    for (std::size_t i = begin; i < end; ++i) {
      BlockRow& row = rows[missing_[i].row];
      if (filters->surely_absent(row.hash)) {
        found(row, false, {}, false, sink);
      } else {
        missing_[kept++] = missing_[i];
      }
    }
  }
  absent_->count_answers(missing_.size() - kept);
  missing_.resize(kept);
}

/// Moves the keys that are being prefetched from `missing_` to `aside_`.
/// So are all others if a batch has ended since `batches`, before the cache was asked for them.
void RowLookup::set_aside(Database database, std::span<const BlockRow> rows,
                          std::uint64_t batches) {
  if (prefetcher_ == nullptr) return;
  if (prefetcher_->any()) set_read_aside(database, rows);
  if (prefetcher_->batches() == batches) return;
  if (aside_.empty()) aside_until_ = batches;  // which has ended
  aside_.insert(aside_.end(), missing_.begin(), missing_.end());
  clear_for_reuse(missing_);
}

void RowLookup::set_read_aside(Database database, std::span<const BlockRow> rows) {
  std::size_t kept = 0;
  for (const Missing& missing : missing_) {
    if (const auto batch = prefetcher_->take(database, rows[missing.row].hash)) {
      aside_.push_back(missing);
      aside_until_ = *batch;  // later ones are not lower
    } else {
      missing_[kept++] = missing;
    }
  }
  missing_.resize(kept);
}

/// Once the rows that were set aside have been prefetched. `missing_` are then those that the cache
/// still does not have.
void RowLookup::look_in_cache_again(const state::State& state, Database database,
                                    std::span<BlockRow> rows, memory::Arena* const& arena,
                                    const Sink& sink) {
  prefetcher_->wait(aside_until_);
  for (const Missing& missing : aside_) {
    BlockRow& row = rows[missing.row];
    const auto look = cache_->find(database, row.key, row.hash, state.stamp, *arena);
    if (look.presence == memtable::Presence::unknown) {
      missing_.push_back(missing);
    } else {
      found(row, look.presence == memtable::Presence::present, look.value, true, sink);
    }
  }
  clear_for_reuse(aside_);
}

Status RowLookup::look_in_tables(const state::State& state, Database database,
                                 std::span<BlockRow> rows, memory::Arena* const& arena, Keep keep,
                                 const Sink& sink) {
  std::ranges::sort(missing_, [&](const Missing& a, const Missing& b) {
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    return compare_bytes(rows[a.row].key, rows[b.row].key) < 0;
  });
  for (const Missing& missing : missing_) keys_.push_back(rows[missing.row].key);
  from_tables_ += keys_.size();
  const state::DbState& db = state.of(database);
  std::uint64_t in_vain = 0;
  FLATKV_TRY(state.lifetime->read_threads().multi_get(
      *db.snapshot, keys_, at_once(database, db.stats),
      [&](std::size_t i, std::optional<ByteView> value) {
        if (i + kAhead < missing_.size()) __builtin_prefetch(&rows[missing_[i + kAhead].row]);
        BlockRow& row = rows[missing_[i].row];
        if (keep == Keep::in_cache && cache_ != nullptr) {
          cache_->insert(database, row.key, row.hash, state.stamp, value);
        }
        in_vain += value ? 0U : 1U;
        found(row, value.has_value(), value ? arena->copy(*value) : ByteView{}, true, sink);
      },
      cores_));
  FLATKV_FAILPOINT("apply.values_read");
  if (absent_ != nullptr) absent_->asked_in_vain(database, in_vain);
  clear_for_reuse(missing_);
  clear_for_reuse(keys_);
  return {};
}

void RowLookup::read_memory(const Ground& ground, Database database, std::span<BlockRow> rows,
                            memory::Arena* const& arena, Values values, const Sink& sink) {
  clear_for_reuse(missing_);
  look_in_memory(ground, database, rows, arena, values, sink);
  drop_absent(ground.state, database, rows, sink);
}

Status RowLookup::read(const Ground& ground, Database database, std::span<BlockRow> rows,
                       memory::Arena* const& arena, Keep keep, Values values, const Sink& sink) {
  // Also after a call that failed.
  clear_for_reuse(aside_);
  clear_for_reuse(keys_);
  from_tables_ = 0;
  const state::State& state = ground.state;
  const std::uint64_t batches = prefetcher_ != nullptr ? prefetcher_->batches() : 0;
  read_memory(ground, database, rows, arena, values, sink);
  set_aside(database, rows, batches);
  if (!missing_.empty()) FLATKV_TRY(look_in_tables(state, database, rows, arena, keep, sink));
  if (aside_.empty()) return {};
  look_in_cache_again(state, database, rows, arena, sink);
  if (missing_.empty()) return {};
  return look_in_tables(state, database, rows, arena, keep, sink);
}

Result<std::optional<Bytes>> RowLookup::get(const Ground& ground, Database database, ByteView key) {
  BlockRow row;
  row.key = key;
  row.hash = memory::key_hash(key);
  memory::Arena arena;
  FLATKV_TRY(read(ground, database, {&row, 1}, &arena, Keep::in_cache, Values::in_place));
  if (!row.had_old) return std::nullopt;
  return to_bytes(row.old_value);
}

}  // namespace flatkv::block

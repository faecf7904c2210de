// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "codec/local_meta.hpp"
#include "flatkv/account.hpp"
#include "flatkv/bytes.hpp"
#include "flatkv/lthash.hpp"
#include "flatkv/options.hpp"
#include "memory/arena.hpp"

namespace flatkv::block {

/// The net change of one key in the pending block. All ByteViews point into the block's arena or
/// chunks, or (`old_value`) into the buffers of the state that the block pins.
struct BlockRow {
  ByteView key;
  std::uint64_t hash = 0;
  ByteView old_value;  ///< at the last commit, unless it was released
  ByteView value;      ///< now
  ByteView mixed;      ///< the value whose element the working hash contains
  /// Size of an old value that was released after it was hashed; 0 if `old_value` is kept. After a
  /// release, `old_value` holds the element of the old value, or nothing if no scrub can ask for
  /// it.
  std::uint32_t let_go = 0;
  bool had_old = false;
  bool has_value = false;
  bool dirty = false;  ///< value differs (or may differ) from mixed

  /// May be true for a row that was set to its old value again, if that value was released.
  bool changed() const;
  std::uint64_t old_bytes() const { return let_go != 0 ? let_go : old_value.size(); }
  /// Only if the old value was released and a scrub runs.
  const LtHash& old_element() const;
};

/// Applies the change of a row to the stats of its database.
void count_change(const BlockRow& row, DatabaseStats& stats);

/// The pending block's rows of one database, found by key.
class BlockRows {
 public:
  BlockRow* find(ByteView key, std::uint64_t hash);
  const BlockRow* find(ByteView key, std::uint64_t hash) const;
  /// The index of the row with that key; adds the row if there is none.
  std::uint32_t intern(ByteView key, std::uint64_t hash);
  /// Loads the place of that key in the index.
  void prefetch(std::uint64_t hash) const noexcept {
    if (!index_.empty()) __builtin_prefetch(&index_[hash & (index_.size() - 1)]);
  }
  /// The same, of its row, once its place is loaded.
  void prefetch_row(std::uint64_t hash) const noexcept;
  void truncate(std::size_t rows);  ///< forgets the rows interned last
  void clear();
  std::size_t memory() const noexcept {
    return rows.capacity() * sizeof(BlockRow) + index_.capacity() * sizeof(std::uint32_t);
  }

  std::vector<BlockRow> rows;

 private:
  void insert_index(std::uint32_t row);
  void grow();
  std::vector<std::uint32_t> index_;  ///< row + 1, 0 is free; power of two
};

/// Gives a row of the account database the value that it has for `account`: with
/// AccountRows::prune_empty an empty one has none. The bytes are put into `arena`.
void set_account(BlockRow& row, const Account& account, AccountRows account_rows,
                 memory::Arena& arena);

/// The rows of a block in each database.
using RowSpans = PerDataDatabase<std::span<const BlockRow>>;
RowSpans rows_of(const PerDataDatabase<BlockRows>& tables);

}  // namespace flatkv::block

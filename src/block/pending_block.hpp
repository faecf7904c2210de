// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "block/block_rows.hpp"
#include "block/row_lookup.hpp"
#include "block/scrub_fold.hpp"
#include "codec/account.hpp"
#include "codec/change_log_entry.hpp"
#include "codec/keys.hpp"
#include "flatkv/change_set.hpp"
#include "flatkv/options.hpp"
#include "lthash/summation.hpp"
#include "memory/arena.hpp"
#include "state/state.hpp"

namespace flatkv::block {

/// When rows are hashed: by the executor as soon as their old values are known, or all of them when
/// the working hashes are asked for.
enum class Hashing : std::uint8_t { early, when_asked };

/// The block under construction: staged writes, their log payload and the working hashes. One
/// thread. `apply` is all or nothing.
class PendingBlock {
 public:
  /// `base` returns the current state. It is called at a block's first write, when the version must
  /// still be the one that the block began on. Until then the block keeps no state alive.
  using Base = std::function<std::shared_ptr<const state::State>()>;
  PendingBlock(AccountRows account_rows, RowLookup& row_lookup, Hashing hashing,
               std::shared_ptr<lthash::HashingShare> share, Base base)
      : account_rows_(account_rows),
        row_lookup_(row_lookup),
        hashing_(hashing),
        base_(std::move(base)),
        summation_(std::move(share)) {}

  /// Starts an empty block on top of `state`.
  void begin(const state::State& state);

  /// Validates everything, reads the old values, then stages. On any error the block is unchanged.
  Status apply(std::span<const NamedChangeSet> change_sets);

  /// Stages a logged block for the databases in `take` only. Keeps the payload: the writes point
  /// into it.
  Status replay(Bytes payload, const codec::ChangelogEntry& entry,
                const PerDataDatabase<bool>& take);

  /// Hashes the writes since the last call and returns the working roots.
  const Roots& roots();
  const PerDataDatabase<LtHash>& hashes();

  /// Whether the block writes no row. Its payload may still hold change sets without pairs.
  bool empty() const noexcept;
  /// Any thread.
  std::uint64_t ignored() const noexcept { return ignored_; }
  std::span<const Bytes> chunks() const noexcept { return chunks_; }
  const std::array<BlockRows, 4>& tables() const noexcept { return tables_; }

  /// From now on sums the changes behind the front of a scrub separately. Call it between blocks.
  void watch(const ScrubPart* scrub) { scrub_ = scrub; }
  /// The block's change to the rows behind `front`. Call it after `roots`.
  ScrubChange behind(const std::shared_ptr<const ScrubFront>& front);

  /// The block's row of a key; null if the block does not touch it.
  const BlockRow* find(Database database, ByteView key) const;
  /// The changed rows of a database within `bounds`, in key order.
  std::vector<memtable::Memtable::Row> overlay(Database database,
                                               const rocks::Bounds& bounds) const;

  std::uint64_t read_nanoseconds = 0;
  std::uint64_t route_nanoseconds = 0;
  std::uint64_t hash_nanoseconds = 0;

 private:
  struct Write {
    codec::Kind kind;
    Database database;
    bool remove;
    std::uint32_t row;
    ByteView key;
    ByteView value;
  };
  /// `chunk` holds the bytes that the writes point to, and is kept with them.
  Status stage(Bytes chunk, std::vector<Write>& writes);
  Status read_old_values(const std::array<std::size_t, 4>& known, bool hash);
  void let_go(std::size_t table, BlockRow& row, bool hashed);
  void settle_let_go(const std::array<std::size_t, 4>& known);
  void abandon(const std::array<std::size_t, 4>& known) noexcept;
  void settle();
  void drop_unsettled() noexcept;
  void write_account(const Write& write);
  void set_row(const Write& write);
  void mark_dirty(std::size_t table, std::uint32_t row);

  AccountRows account_rows_;
  RowLookup& row_lookup_;
  Hashing hashing_;
  Base base_;
  std::int64_t base_version_ = 0;
  std::shared_ptr<const state::State> state_;  ///< null while nothing is staged
  memory::Arena arena_;
  memory::Arena window_;  ///< old values that are released once they are hashed
  std::vector<Bytes>
      chunks_;  ///< the encoded change sets of each apply; keys and values point here
  std::uint64_t payload_bytes_ = 0;
  std::atomic<std::uint64_t> ignored_{0};
  std::array<BlockRows, 4> tables_;
  std::array<std::vector<std::uint32_t>, 4> dirty_;
  std::vector<Account> accounts_;  ///< decoded; parallel to the rows of the account table
  PerDataDatabase<LtHash> working_;
  const ScrubPart* scrub_ = nullptr;
  ScrubFold fold_;
  Roots roots_;
  /// Sums that `mixed` of the rows includes and `working_` does not yet; the pool may be adding to
  /// them.
  std::array<LtHash, 5> unsettled_;
  bool hashing_now_ = false;
  lthash::Summation summation_;  // last: its tasks use the members above
};

}  // namespace flatkv::block

// SPDX-License-Identifier: Apache-2.0
#pragma once

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

/// Where the old values of a block lie until it ends.
enum class OldValues : std::uint8_t {
  pinned,  ///< in the buffers of the state that it begins on, which it keeps alive
  copied,  ///< in the block: it keeps nothing else alive
};

/// The block under construction: staged writes, their log payload and the working hashes. One
/// thread at a time; once it is not written to any more, any number of threads may look at its rows
/// and roots. `apply` is all or nothing.
class PendingBlock {
 public:
  /// What the block stands on. All of it shows the same rows, at the version that the block began
  /// on.
  struct Base {
    std::shared_ptr<const state::State> state;
    std::shared_ptr<const Ancestors> ancestors{};  ///< null: none
    std::size_t first = 0;                         ///< of the ancestors above `state`
  };
  /// Called when old values are read; with pinned ones, at the first write only. Until then the
  /// block keeps no state alive.
  using FindBase = std::function<Base()>;
  PendingBlock(AccountRows account_rows, RowLookup rows, Hashing hashing,
               std::shared_ptr<lthash::HashingShare> share, OldValues old_values, FindBase base)
      : account_rows_(account_rows),
        rows_(std::move(rows)),
        hashing_(hashing),
        old_values_(old_values),
        base_(std::move(base)),
        summation_(std::move(share)) {}

  /// Starts an empty block on top of `state`, or of a block whose `roots` were asked for.
  void begin(const state::State& state);
  void begin(const PendingBlock& below);

  /// Validates everything, reads the old values, then stages. On any error the block is unchanged.
  Status apply(std::span<const NamedChangeSet> change_sets);

  /// Hashes the writes since the last call and returns the working roots.
  const Roots& roots();
  const PerDataDatabase<LtHash>& hashes();

  /// Whether the block writes no row. Its payload may still hold change sets without pairs.
  bool empty() const noexcept;
  /// Any thread.
  std::uint64_t ignored() const noexcept { return ignored_; }
  std::span<const Bytes> chunks() const noexcept { return chunks_; }
  const PerDataDatabase<BlockRows>& tables() const noexcept { return tables_; }
  /// The version that it would be committed as.
  std::int64_t version() const noexcept;
  /// Bytes in use.
  std::uint64_t memory() const noexcept;

  /// Tells that this store is scrubbed. A block with pinned old values, which will be the next one,
  /// then sums its changes behind the front as it hashes them. Call it between blocks.
  void watch(const ScrubPart* scrub) { scrub_ = scrub; }
  /// Sums the changes behind the front as it is now, so that `behind` has little left to do. Call
  /// it after `roots`.
  void prepare_scrub();
  /// The block's change to the rows behind `front`. Call it after `roots`.
  ScrubChange behind(const std::shared_ptr<const ScrubFront>& front);

  /// The block's row of a key; null if the block does not touch it.
  const BlockRow* find(Database database, ByteView key) const;
  /// Appends the changed rows of a database within `bounds`, in no particular order.
  void collect(Database database, const rocks::Bounds& bounds,
               std::vector<memtable::Memtable::Row>& into) const;

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
  void clear();
  /// `chunk` holds the bytes that the writes point to, and is kept with them.
  Status stage(Bytes chunk, std::vector<Write>& writes);
  Status read_old_values(const Base& base, const PerDataDatabase<std::size_t>& known, bool hash);
  void let_go(Database database, BlockRow& row, bool hashed);
  void settle_let_go(const PerDataDatabase<std::size_t>& known);
  void abandon(const PerDataDatabase<std::size_t>& known) noexcept;
  void settle();
  void drop_unsettled() noexcept;
  void write_account(const Write& write);
  void set_row(const Write& write);
  void mark_dirty(Database database, std::uint32_t row);

  AccountRows account_rows_;
  RowLookup rows_;
  Hashing hashing_;
  OldValues old_values_;
  FindBase base_;
  std::int64_t base_version_ = 0;
  std::shared_ptr<const state::State> state_;  ///< pinned; null while nothing is staged
  memory::Arena arena_;
  memory::Arena window_;  ///< old values that are released once they are hashed
  std::vector<Bytes>
      chunks_;  ///< the encoded change sets of each apply; keys and values point here
  std::uint64_t payload_bytes_ = 0;
  std::size_t change_sets_ = 0;
  std::atomic<std::uint64_t> ignored_{0};
  PerDataDatabase<BlockRows> tables_;
  PerDataDatabase<std::vector<std::uint32_t>> dirty_;
  std::vector<Account> accounts_;  ///< decoded; parallel to the rows of the account table
  PerDataDatabase<LtHash> working_;
  const ScrubPart* scrub_ = nullptr;
  ScrubFold fold_;
  Roots roots_;
  /// Sums that `mixed` of the rows includes and `working_` does not yet; the pool may be adding to
  /// them.
  PerDataDatabase<LtHash> unsettled_;
  LtHash unsettled_behind_;  ///< of the rows behind the front of a scrub
  bool hashing_now_ = false;
  lthash::Summation summation_;  // last: its tasks use the members above
};

}  // namespace flatkv::block

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "block/block_rows.hpp"
#include "block/row_lookup.hpp"
#include "block/scrub_part.hpp"
#include "codec/account.hpp"
#include "codec/keys.hpp"
#include "flatkv/options.hpp"
#include "lthash/summation.hpp"
#include "memory/arena.hpp"
#include "memtable/memtable.hpp"
#include "state/state.hpp"

namespace flatkv::block {

/// What a logged block changes. Borrowed from its window.
struct ReplayedBlock {
  std::int64_t version = 0;
  const PerDataDatabase<bool>& take;  ///< the databases that lack it; it has rows of no others
  RowSpans rows;
  const PerDataDatabase<LtHash>& change;  ///< of the databases' hashes
  const ScrubFront* front = nullptr;
  const LtHash& behind_front;  ///< the part of `change` that is due to rows behind `front`

  /// The block's change to the rows behind `front`, which is the one that the window began with.
  ScrubChange behind(const std::shared_ptr<const ScrubFront>& front) const;
};

/// Logged blocks, one after another, that are prepared for replay together
/// (docs/recovery.md#replay). Of a key that several of them write only the first old value is
/// looked up: the others are what the block before wrote. Each block has the sum of its own rows.
///
/// First `add` each block, then `prepare`, then `finish`; `clear` begins anew. One thread at a
/// time, which may change in between. After `prepare` any thread may use `find` until `clear`.
class ReplayWindow {
 public:
  struct Setup {
    std::string store;  ///< for messages
    AccountRows account_rows = AccountRows::keep;
    RowLookup rows;
    std::shared_ptr<lthash::HashingShare> share;
    std::shared_ptr<const ScrubFront> front;  ///< of a scrub; it must not move during replay
  };
  explicit ReplayWindow(Setup setup);

  /// Forgets the blocks.
  void clear() noexcept;
  /// Adds the next block with its writes to the databases in `take`. `corruption` for a payload
  /// that is not the block of this version; then nothing is added.
  Status add(std::int64_t version, Bytes payload, const PerDataDatabase<bool>& take);
  /// Looks up what the blocks write to and begins to hash it. `state` is at least as far as the
  /// block before the first one, or as the first block of `below`: the window before this one,
  /// prepared; null if there is none. On an error only the blocks below the one that failed are
  /// left, and after a failed read none is.
  Status prepare(const state::State& state, const ReplayWindow* below);
  /// Returns when everything is hashed.
  void finish();

  /// Blocks in it.
  std::size_t size() const noexcept { return blocks_.size(); }
  std::size_t writes() const noexcept { return writes_.size(); }
  /// Of the payloads.
  std::uint64_t bytes() const noexcept { return bytes_; }
  /// After `finish`.
  ReplayedBlock operator[](std::size_t index) const;

  /// What the last block that writes the key leaves; unknown if none does. The value lives until
  /// `clear`.
  memtable::Lookup find(Database database, ByteView key, std::uint64_t hash) const noexcept;
  void prefetch(Database database, std::uint64_t hash) const noexcept {
    tables_[database].prefetch(hash);
  }
  void prefetch_row(Database database, std::uint64_t hash) const noexcept {
    tables_[database].prefetch_row(hash);
  }

 private:
  struct Write {
    Database database;
    codec::Kind kind;
    bool remove;
    std::uint32_t row;  ///< in `tables_`
    ByteView key;
    ByteView value;
  };
  struct Block {
    std::int64_t version = 0;
    PerDataDatabase<bool> take;
    std::size_t writes_end = 0;
    PerDataDatabase<std::size_t> rows_end{};  ///< in `changes_`
    PerDataDatabase<LtHash> change;
    LtHash behind;
  };
  /// The last block that writes a row so far, and its row in `changes_`.
  struct Touch {
    static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
    std::uint32_t block;  ///< while nothing is in `changes_`: the first one that will
    std::uint32_t at = kNone;
  };

  void intern(std::span<Write> writes);
  Status read(const state::State& state, const ReplayWindow* below, Database database);
  void let_go(Database database, BlockRow& row);
  Status write(const Write& write, std::uint32_t block);
  Result<BlockRow*> touch(const Write& write, std::uint32_t block);
  void hash(std::uint32_t block);
  LtHash& sum(Database database, ByteView key, std::uint32_t block);
  PerDataDatabase<std::size_t> rows_begin(std::size_t block) const;

  Setup setup_;
  std::vector<Bytes> payloads_;  ///< keys and values point here
  std::uint64_t bytes_ = 0;
  std::vector<Write> writes_;
  std::vector<Block> blocks_;
  /// Each row that any block writes: first with its old value, then with what the last block so far
  /// has left, in `value` and `has_value`.
  PerDataDatabase<BlockRows> tables_;
  PerDataDatabase<std::vector<Touch>> touches_;     ///< parallel to the rows
  std::vector<Account> accounts_;                   ///< likewise, of the account table
  PerDataDatabase<std::vector<BlockRow>> changes_;  ///< the rows of one block after the other
  memory::Arena arena_;
  memory::Arena window_;         ///< old values that are released once they are hashed
  lthash::Summation summation_;  // last: its tasks use the members above
};

}  // namespace flatkv::block

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

#include "flatkv/account.hpp"
#include "flatkv/lthash.hpp"
#include "flatkv/roots.hpp"
#include "memtable/memtable.hpp"
#include "state/open_generation.hpp"

namespace flatkv::state {

/// One data database in a state. Newest first: the active memtable, the frozen ones, and the
/// database as of its last flush.
struct DbState {
  std::shared_ptr<memtable::Memtable> active;
  std::vector<std::shared_ptr<const memtable::Memtable>> frozen;
  std::shared_ptr<const rocks::PinnedDatabase> snapshot;
  std::shared_ptr<const LtHash> hash;
  std::int64_t version = 0;  ///< of the rows, hash and stats
  DatabaseStats stats;
};

/// All that a read needs at one version. Immutable once published (docs/specification.md#states).
struct State {
  std::shared_ptr<OpenGeneration>
      lifetime;  // declared first, destroyed last: after the pinned databases
  AccountRows account_rows = AccountRows::keep;
  std::int64_t version = 0;
  Digest chain{};  ///< chain digest of version
  Roots roots;
  PerDataDatabase<DbState> databases;
  memtable::Stamp stamp = 0;                         ///< of its last commit into the buffers
  std::shared_ptr<const memtable::DeadRanges> dead;  ///< null: nothing in the buffers was undone

  memtable::Reach reach() const noexcept { return {stamp, dead.get()}; }
  DbState& of(Database which) { return databases[which]; }
  const DbState& of(Database which) const { return databases[which]; }
};

/// Holds the current state. Commit and flush both replace it under one mutex, each starting from
/// the latest one; readers take a reference. Thread-safe.
class Published {
 public:
  explicit Published(std::shared_ptr<const State> first) : current_(std::move(first)) {}

  std::shared_ptr<const State> load() const {
    const std::lock_guard lock(mutex_);
    return current_;
  }

  /// `change` gets the next state, a copy of the current one, and if it takes two arguments the
  /// current one too.
  template <class Change>
  void update(Change&& change) {
    std::shared_ptr<const State> previous;  // destroyed after the lock is released: it may close
                                            // databases
    const std::lock_guard lock(mutex_);
    auto next = std::make_shared<State>(*current_);
    if constexpr (std::is_invocable_v<Change, State&>) {
      std::forward<Change>(change)(*next);
    } else {
      std::forward<Change>(change)(*next, current_);
    }
    previous = std::move(current_);
    current_ = std::move(next);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const State> current_;
};

/// Looks a key up in the memtables as `reach` sees them, newest first. `hash` is the key's
/// key_hash.
memtable::Lookup find_in_buffers(const DbState& database, ByteView key, std::uint64_t hash,
                                 const memtable::Reach& reach);

/// Rows in key order as of `state`. `overlay` holds pending writes, sorted; they take precedence.
std::unique_ptr<rocks::Cursor> rows_of(const std::shared_ptr<const State>& state, Database database,
                                       const rocks::Bounds& bounds,
                                       std::vector<memtable::Memtable::Row> overlay = {},
                                       std::size_t readahead_bytes = 0);

/// Cursors for a scan of a whole database: what is in memory is put in order once, and tables are
/// read ahead. Any number of threads may make some at once. Keeps the state.
rocks::CursorFactory cursors_of(const std::shared_ptr<const State>& state, Database database);

}  // namespace flatkv::state

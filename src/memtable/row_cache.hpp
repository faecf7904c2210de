// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "memory/arena.hpp"
#include "memtable/memtable.hpp"

namespace flatkv::memtable {

/// A bounded cache of rows, present or absent, as the four data databases hold them.
///
/// What makes a cached row right. A read goes through a *state*: first the buffers up to the
/// state's stamp, and only a key that none of them knows comes here or to the database. Let S be
/// the stamp of the last flush of a database that `flushed` was called for. A cached row is right
/// at S, or, while `flushed` runs for S, right at S or at the flush before it. The rows for which
/// those two differ are the keys of the buffer that is being flushed, and a state of stamp ≥ S
/// either knows those keys from its own buffers or was published after `flushed` returned. So:
///   - `find` answers only states of stamp ≥ S. It checks S once, after it found the row and
///     before it copies it, under the shard's lock;
///   - `insert` takes only values that were read through a state of stamp ≥ S (a key that the
///     state's buffers do not know has not changed between its pinned database and S). It checks S
///     under the lock of the insert, so that a value held across a flush never gets in;
///   - `flushed` must return before the state without the buffer is published, and the flushes of
///     one database come one after another, with ascending stamps.
///
/// Stamps and not versions, since a version can be undone and committed again: whoever still reads
/// through an undone state has a lower stamp than every flush of the other branch, although its
/// version may be higher. A flush below the undone blocks is as right for it as for the others.
///
/// Locking. Rows are divided by hash into shards, each with a mutex that is held for one row at a
/// time. S is an atomic, raised before a flush touches its first row: whoever sees a row of that
/// flush, under the shard's lock, sees the new S, too. Thread-safe.
///
/// Eviction is S3-FIFO: new rows enter a small queue; those that are hit there, or come back soon
/// after, move to the main one. So one pass over many rows evicts little.
class RowCache {
 public:
  /// `bytes` bounds all memory, index included; it is committed as it fills. Below 64 KiB the cache
  /// keeps nothing.
  explicit RowCache(std::size_t bytes);
  ~RowCache();
  RowCache(const RowCache&) = delete;
  RowCache& operator=(const RowCache&) = delete;

  /// Hide the cache misses of a group of lookups. Call `prefetch` for all keys of the group, which
  /// loads their places in the index, then `prefetch_row` for all, which loads the rows found
  /// there. `hash` is key_hash(key).
  void prefetch(Database database, std::uint64_t hash) const noexcept;
  void prefetch_row(Database database, std::uint64_t hash) const noexcept;

  /// The row for a state of that stamp whose buffers do not know the key; unknown if it is not
  /// cached. Copies the value into `arena`.
  Lookup find(Database database, ByteView key, std::uint64_t hash, Stamp stamp,
              memory::Arena& arena);

  /// Offers a row as read from the database through a state of that stamp whose buffers do not know
  /// the key. Ignores a row that is cached already, too large, or too late.
  void insert(Database database, ByteView key, std::uint64_t hash, Stamp stamp,
              std::optional<ByteView> value);

  /// Tells that the database now holds the buffer's rows as `reach` sees them. Replaces the rows
  /// that are cached and offers the others. 0.2 µs a row, for the flush's thread.
  void flushed(Database database, const Memtable& rows, const Reach& reach);

  struct Counters {
    std::uint64_t rows = 0;
    std::uint64_t hits = 0;  ///< of `find`, absent rows included
    std::uint64_t misses = 0;
    std::uint64_t inserted = 0;
    std::uint64_t evicted = 0;
    std::uint64_t refused = 0;  ///< inserts that came too late
  };
  Counters counters() const;
  /// Bytes allocated, at most those asked for.
  std::size_t memory() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv::memtable

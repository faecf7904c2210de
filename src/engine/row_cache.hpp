#pragma once

#include <cstdint>
#include <memory>

#include "engine/arena.hpp"
#include "engine/row_buffer.hpp"

namespace flatkv::engine {

/// Clean rows of the four data databases, present or absent, in a bounded number of bytes.
///
/// What makes a cached row right. A read goes through a *state*: the buffers up to the state's
/// version first, and only a key that none of them knows comes here or to the database. Let V be
/// the version of the last flush of a database that `flushed` was told of. A row here is right at
/// V, or, while `flushed` runs for V, right at V or at the flush before it; and the rows for which
/// those two differ are the keys of the buffer that is being flushed. A state of version ≥ V knows
/// those keys from its own buffers, or was published after `flushed` returned. So:
///   - `find` answers states of version ≥ V only, looked at again after the row was copied;
///   - `insert` takes only what was read through a state of version ≥ V (a key that its buffers do
///     not know has not changed between its snapshot and V), checked under the lock of the insert,
///     so that a value held across a flush never gets in (trap 42);
///   - `flushed` must return before the state without the buffer is published, and flushes of one
///     database come one after another, versions ascending.
///
/// Locking. The rows are divided by hash into shards, each with a mutex that is held for one row at
/// a time. V is an atomic of its own, raised before the first row of a flush is touched: who sees a
/// row of that flush, under the shard's lock, sees the new V too. Any number of threads may call
/// anything but `clear`, which nothing else may run beside.
///
/// Eviction is S3-FIFO's: new rows pass through a small queue, those that were hit there or that
/// came back soon after go on to the main one, so that one pass over many rows pushes out little.
class RowCache {
 public:
  /// `bytes` bound all memory, index included; it is taken from the system as it fills. Below 64
  /// KiB the cache keeps nothing.
  explicit RowCache(std::size_t bytes);
  ~RowCache();
  RowCache(const RowCache&) = delete;
  RowCache& operator=(const RowCache&) = delete;

  /// The two steps of hiding a lookup's cache misses, each for all keys of a group before the next
  /// step: the place in the index, then the row that the index names there. `hash` is
  /// key_hash(key).
  void prefetch(Database database, std::uint64_t hash) const noexcept;
  void prefetch_row(Database database, std::uint64_t hash) const noexcept;

  /// The row as of a state of `version` whose buffers do not know the key; unknown if it is not
  /// here. The value is copied into `arena`.
  Lookup find(Database database, ByteView key, std::uint64_t hash, std::int64_t version,
              Arena& arena);

  /// Offers what the database held, read through a state of `version` whose buffers do not know the
  /// key. A row that is here already, is too large, or comes too late is left out.
  void insert(Database database, ByteView key, std::uint64_t hash, std::int64_t version,
              std::optional<ByteView> value);

  /// The buffer's newest rows are now what the database holds, at `version`. Rows that are here are
  /// replaced, the others offered. 0.2 µs a row, meant for the flush's thread.
  void flushed(Database database, const RowBuffer& rows, std::int64_t version);

  /// Forgets everything, as for another generation. `version`: of the database's last flush in it.
  void clear();
  void start(Database database, std::int64_t version);

  struct Counters {
    std::uint64_t rows = 0;
    std::uint64_t hits = 0;  ///< of `find`, absent rows included
    std::uint64_t misses = 0;
    std::uint64_t inserted = 0;
    std::uint64_t evicted = 0;
    std::uint64_t refused = 0;  ///< inserts that came too late
  };
  Counters counters() const;
  /// Bytes set aside, at most what was asked for.
  std::size_t memory() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv::engine

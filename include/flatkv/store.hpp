#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flatkv/bytes.hpp"
#include "flatkv/change_set.hpp"
#include "flatkv/error.hpp"
#include "flatkv/keys.hpp"
#include "flatkv/lthash.hpp"
#include "flatkv/options.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/view.hpp"

namespace flatkv {

/// How a full scan is done.
struct VerifyOptions {
  std::uint32_t threads = 0;                  ///< 0: as the store's
  std::uint64_t rows_per_second = 0;          ///< 0: no limit
  const std::atomic<bool>* cancel = nullptr;  ///< looked at every few thousand rows
  std::optional<Database> database;           ///< one database only
  std::function<void(std::uint64_t rows, std::uint64_t total)> progress;
};

/// What a full scan of one database found beside what the store says of it.
struct DatabaseVerdict {
  Database database = Database::account;
  Digest expected{};
  Digest found{};
  DatabaseStats expected_stats;
  DatabaseStats found_stats;
  bool good() const { return expected == found && expected_stats == found_stats; }
};

struct VerifyReport {
  std::int64_t version = 0;
  Roots roots;  ///< as the store says
  std::vector<DatabaseVerdict> databases;
  bool sum_good = true;  ///< the four hashes add up to the global one
  bool good() const;
};

/// What an open had to do or noticed.
struct OpenReport {
  bool clean = false;  ///< nothing was scanned, rewritten or replayed
  std::int64_t replayed_blocks = 0;
  std::vector<Database> backfilled;          ///< hashes rebuilt by a full scan
  std::optional<std::string> truncated_log;  ///< torn tail that was cut: where
  bool lost_log_tail = false;         ///< databases were ahead of the log; a new log was begun
  bool rebuilt_working_copy = false;  ///< from a snapshot
  bool rebuilt_metadata = false;
};

/// Time spent in the phases of one block, nanoseconds.
struct CommitTimings {
  std::uint64_t route = 0, read = 0, hash = 0, log = 0, buffer = 0, publish = 0, wait = 0;
};

/// Counters since the open.
struct StoreMetrics {
  std::uint64_t flushes = 0;
  std::uint64_t flush_nanoseconds = 0;
  std::uint64_t flushed_bytes = 0;
  std::uint64_t log_bytes = 0;
  std::uint64_t compaction_bytes = 0;
  std::uint64_t buffer_memory = 0;
  std::uint64_t view_memory = 0;  ///< buffers that only views keep
  std::uint64_t cache_memory = 0;
  std::uint64_t cache_hits = 0;
  std::uint64_t cache_misses = 0;
  std::uint64_t ignored_change_sets = 0;  ///< of modules other than evm
};

/// A record of the changelog without its payload.
struct LogRecord {
  std::int64_t version = 0;
  Roots roots;
  std::uint64_t payload_bytes = 0;
  Digest payload_digest{};
};

/// A state commitment store. One thread writes (apply, commit, discard and the reads on this
/// handle); `view` may be called from any thread, and views may be read from any thread. After any
/// error with code `store_failed` the handle only serves reads; close it and open it again.
class CommitStore {
 public:
  /// Makes an empty store at `path` (which must not hold one). Durable on return.
  static Status create(const std::string& path, const CreateOptions& options = {});

  /// Opens for writing and recovers what has to be (spec §8). Errors: not_found (no store and no
  /// `create_if_missing`), locked, corruption, log_gap, log_behind, foreign_store, format_too_new,
  /// import_incomplete, permission, io, no_space. A refused open has changed nothing.
  static Result<CommitStore> open(const std::string& path, const Options& options = {});

  CommitStore(CommitStore&&) noexcept;
  CommitStore& operator=(CommitStore&&) noexcept;
  /// Closes; errors of that are lost, so call `close` where they matter.
  ~CommitStore();

  /// Adds writes to the pending block: all of them or, on any error, none. Later writes win. Sets
  /// of other modules are ignored and counted. Nothing borrowed is kept.
  Status apply(std::span<const NamedChangeSet> change_sets);

  /// The working root: committed state and pending writes.
  Digest root_hash() const;
  Roots working_roots() const;
  Roots committed_roots() const;
  /// Working lattice hash of a data database.
  LtHash working_hash(Database database) const;

  /// Last committed version; initial version − 1 for a new store.
  std::int64_t version() const noexcept;
  std::int64_t initial_version() const noexcept;
  AccountRows account_rows() const noexcept;
  bool has_pending() const noexcept;

  /// Commits the pending block (which may be empty) as `version`, which must be version() + 1:
  /// `version_mismatch` otherwise, nothing changed. Returns when the block is as durable as
  /// `Options::durability` says. A failure after the log record was begun poisons the store.
  Result<Roots> commit(std::int64_t version);

  /// Drops the pending block.
  void discard();

  /// Through pending writes, otherwise as ReadView::get.
  Result<std::optional<Bytes>> get(ByteView external_key) const;
  Result<std::optional<Account>> account(const Address& address) const;
  /// Rows through pending writes.
  Result<RowIterator> iterate(Database database, const RowRange& range = {}) const;

  /// Committed state, pinned. `no_space` above Options::max_view_bytes.
  Result<ReadView> view() const;

  /// Highest version known durable; `wait_durable` returns when that is at least `version`.
  std::int64_t durable_version() const noexcept;
  Status wait_durable(std::int64_t version);

  /// Moves all committed rows into the databases now; returns when they are there.
  Status flush();

  /// Writes a snapshot of the committed state (pending writes are not in it). At a version that has
  /// a valid one: nothing to do.
  Status snapshot();

  /// Goes back to an older version, as flatkv::rollback does (history.hpp), without letting go of
  /// the lock; to the current one: only drops the pending block, which every rollback drops. Views
  /// read on, others can be taken too. After a refusal (`version_mismatch`, naming what can be
  /// reached) or a failed build nothing has changed; after a failed swap the store has failed.
  Status rollback(std::int64_t version);

  /// Full scan of the committed state against its hashes and counts. Differences are in the report,
  /// not an error.
  Result<VerifyReport> verify(const VerifyOptions& options = {}) const;

  /// The log's record of a version; nothing if the log does not keep it (pruned, or the base).
  Result<std::optional<LogRecord>> log_record(std::int64_t version) const;

  const OpenReport& open_report() const noexcept;
  StoreMetrics metrics() const;
  CommitTimings last_timings() const noexcept;

  /// Syncs the log, flushes, stops background work, and lets go of the databases and the lock, or
  /// leaves that to the last view; the first error of these. Pending writes are dropped. The handle
  /// still tells versions and roots; everything else on it is `store_failed`. A second close does
  /// nothing.
  Status close();

  struct Impl;
  explicit CommitStore(std::unique_ptr<Impl> impl);
  Impl& impl() noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv

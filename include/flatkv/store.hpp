// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
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
#include "flatkv/export.hpp"
#include "flatkv/keys.hpp"
#include "flatkv/lthash.hpp"
#include "flatkv/options.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/scrub.hpp"
#include "flatkv/verify.hpp"
#include "flatkv/view.hpp"

namespace FLATKV_API flatkv {

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

/// What was flushed of one database since the open: sorted, written, ingested, published.
struct FlushMetrics {
  std::uint64_t tables = 0;
  std::uint64_t bytes = 0;
  std::uint64_t nanoseconds = 0;
};

/// Counters since the open.
struct StoreMetrics {
  std::uint64_t flushes = 0;
  std::uint64_t flush_nanoseconds = 0;
  std::uint64_t flushed_bytes = 0;
  std::array<FlushMetrics, 5> flushed{};  ///< by Database
  std::uint64_t log_bytes = 0;
  std::uint64_t compaction_bytes = 0;
  std::uint64_t buffer_memory = 0;
  std::uint64_t view_memory = 0;  ///< buffers that only views keep
  std::uint64_t cache_memory = 0;
  std::uint64_t cache_hits = 0;
  std::uint64_t cache_misses = 0;
  std::uint64_t key_filter_memory = 0;
  std::uint64_t key_filter_answers = 0;   ///< keys that no table was asked for
  std::uint64_t ignored_change_sets = 0;  ///< of modules other than evm
};

/// A record of the changelog without its payload.
struct LogRecord {
  std::int64_t version = 0;
  Roots roots;
  std::uint64_t payload_bytes = 0;
  Digest payload_digest{};
};

/// A state commitment store. After any error with code `store_failed` the handle only serves reads:
/// close it and open it again.
///
/// No function throws. Where an allocation fails it returns `out_of_memory`; if that was in one of
/// the writer's functions that change something, the pending block is dropped and the store has
/// failed. (Functions that only put a string or a vector together for the caller, such as `to_hex`
/// and `Error::to_string`, throw std::bad_alloc as the standard library does.)
///
/// Threads. Every function is in one of these groups:
/// - The writer's, called by one thread at a time: apply, root_hash, working_roots, working_hash,
///   has_pending, commit, discard, get, get_many, account, iterate, flush, snapshot, rollback,
///   log_record, open_report, close, and moving or destroying the handle.
/// - Any thread's, beside the writer's `rollback` and `close` too: version, initial_version,
///   account_rows, committed_roots, view, durable_version, wait_durable, verify, scrub,
///   scrub_status, metrics, last_timings. A call must have returned before the handle is moved or
///   destroyed.
/// - Those that the callbacks of Options (on_durable, log) may call: version, initial_version,
///   account_rows, committed_roots, view, durable_version, scrub_status, metrics, last_timings. In
///   `on_durable` the writer's functions return `invalid_argument`; it must not destroy the handle.
/// ReadView and what is read from it belong to any thread, a RowIterator to one at a time.
///
/// Fork. Threads do not live on in a forked child, so once a process has opened a store its
/// children that do not exec can open none: every call that would is `unsupported` there, and so
/// are the calls on a handle that was inherited. Such a handle may be dropped in the child, which
/// closes nothing and releases no lock; views and iterators must be left alone. A child that was
/// forked before the first use is free. Keep descriptors 0 to 2 open (on /dev/null): RocksDB's
/// files may get them otherwise.
class CommitStore {
 public:
  /// Makes an empty store at `path` (which must not hold one). Durable on return. A relative path
  /// is one from the directory that the process is in now, as in every function that takes one.
  static Status create(const std::string& path, const CreateOptions& options = {});

  /// Opens for writing and recovers where needed. Errors: not_found (no store and no
  /// `create_if_missing`), invalid_argument (options), unsupported (forked, or a network file
  /// system), locked, corruption, log_gap, log_behind, foreign_store, format_too_new,
  /// import_incomplete, permission, io, no_space. A refused open has changed nothing.
  static Result<CommitStore> open(const std::string& path, const Options& options = {});

  CommitStore(CommitStore&&) noexcept;
  CommitStore& operator=(CommitStore&&) noexcept;
  /// Closes; errors of that are lost, so call `close` where they matter.
  ~CommitStore();

  /// Adds writes to the pending block: all of them or, on any error, none. Later writes win. Sets
  /// of other modules are ignored and counted. Nothing borrowed is kept. `invalid_argument` names
  /// the change set and the pair, counted from 1, and the version; see Options::strict.
  Status apply(std::span<const NamedChangeSet> change_sets);

  /// The working root: committed state and pending writes.
  Result<Digest> root_hash() const;
  Result<Roots> working_roots() const;
  Roots committed_roots() const noexcept;
  /// Working lattice hash of a data database; `invalid_argument` for `metadata`.
  Result<LtHash> working_hash(Database database) const;

  /// Last committed version; initial version − 1 for a new store.
  std::int64_t version() const noexcept;
  std::int64_t initial_version() const noexcept;
  AccountRows account_rows() const noexcept;
  /// Whether the pending block writes anything: false after change sets without pairs or of other
  /// modules.
  bool has_pending() const noexcept;

  /// Commits the pending block (which may be empty) as `version`, which must be version() + 1:
  /// `version_mismatch` otherwise, nothing changed. Returns when the block is as durable as
  /// `Options::durability` says. A failure after the log record was begun poisons the store.
  Result<Roots> commit(std::int64_t version);

  /// Drops the pending block.
  void discard();

  /// Through pending writes, otherwise as ReadView::get.
  Result<std::optional<Bytes>> get(ByteView external_key) const;
  /// As ReadView::get_many. What had to be read from disk is kept in the row cache, as `get` does.
  Result<std::vector<std::optional<Bytes>>> get_many(std::span<const ByteView> external_keys) const;
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
  /// reached) or a failed build nothing has changed; after an error of the swap, or of anything
  /// after it, the store has failed, and a reopened one is at the one version or the other.
  Status rollback(std::int64_t version);

  /// As flatkv::verify on the committed state, with the store's threads. Differences are in the
  /// report, not an error; `store_failed` where the store has failed. Beside a writer in another
  /// thread use flatkv::verify on a view.
  Result<VerifyReport> verify(const VerifyOptions& options = {}) const;

  /// Scrubs one slice: reads at most `max_rows` rows of the database that the scrub is in, never
  /// beyond its end, and saves how far it is. At most 65 536 rows or 32 MiB at once, since a flush
  /// waits for it. Damage is a finding in the status, not an error. Errors: `unsupported`
  /// (Options::scrub is off), `store_failed`, `cancelled` (the store is being closed),
  /// `invalid_argument` (no rows).
  Result<ScrubStatus> scrub(std::uint64_t max_rows);
  /// How far the scrub is; nothing where Options::scrub is off.
  Result<std::optional<ScrubStatus>> scrub_status() const;

  /// The log's record of a version; nothing if the log does not keep it (pruned, or the base).
  Result<std::optional<LogRecord>> log_record(std::int64_t version) const;

  /// Of the open, or of the last rollback, until the next one.
  const OpenReport& open_report() const noexcept;
  StoreMetrics metrics() const noexcept;
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

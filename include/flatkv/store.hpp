// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flatkv/bytes.hpp"
#include "flatkv/change_set.hpp"
#include "flatkv/changes.hpp"
#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/keys.hpp"
#include "flatkv/log_block.hpp"
#include "flatkv/lthash.hpp"
#include "flatkv/options.hpp"
#include "flatkv/overlay.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/scrub.hpp"
#include "flatkv/verify.hpp"
#include "flatkv/view.hpp"

namespace FLATKV_API flatkv {

/// What an open found and did.
struct OpenReport {
  bool clean = false;  ///< nothing was scanned, rewritten or replayed
  std::int64_t replayed_blocks = 0;
  std::vector<Database> backfilled;          ///< whose hashes a full scan rebuilt
  std::optional<std::string> truncated_log;  ///< where a torn tail was cut; unset if none was
  bool lost_log_tail = false;  ///< the databases were ahead of the log, so a new log was started
  bool rebuilt_working_copy = false;  ///< from a snapshot and the log
  bool rebuilt_metadata = false;
};

/// Where the time of one commit went, in nanoseconds. `route`: validating and encoding the writes.
/// `read`: reading old values. `hash`: hashing what was left to hash after `apply`. `log`: writing
/// the log record and making it as durable as `Options::durability` says. `buffer`: copying the
/// rows into the write buffer. `publish`: publishing the new state and starting a flush that is
/// due. `wait`: waiting for flushes to free buffer space.
struct CommitTimings {
  std::uint64_t route = 0, read = 0, hash = 0, log = 0, buffer = 0, publish = 0, wait = 0;
};

/// Flushes of one database. The time covers sorting, writing, ingesting and publishing.
struct FlushMetrics {
  std::uint64_t tables = 0;
  std::uint64_t bytes = 0;
  std::uint64_t nanoseconds = 0;
};

/// Rows given to `prefetch`, and what became of them; those that still wait are in `asked` alone.
struct PrefetchMetrics {
  std::uint64_t asked = 0;
  std::uint64_t loaded = 0;   ///< read from the tables into the row cache
  std::uint64_t hit = 0;      ///< in memory or asked for already, or known to be absent
  std::uint64_t dropped = 0;  ///< too many, needed before they were read, or unreadable
};

/// Counters since the open or the last rollback. Memory is what is in use now. Sizes are in bytes.
struct StoreMetrics {
  std::uint64_t flushes = 0;
  std::uint64_t flush_nanoseconds = 0;
  std::uint64_t flushed_bytes = 0;
  PerDatabase<FlushMetrics> flushed;
  std::uint64_t log_bytes = 0;
  std::uint64_t compaction_bytes = 0;
  std::uint64_t buffer_memory = 0;
  std::uint64_t view_memory = 0;  ///< write buffers that only views keep alive
  /// The lowest version that `rollback` can go back to at once; the current one if none is.
  std::int64_t undo_floor = 0;
  std::uint64_t recent_memory = 0;    ///< write buffers that only recent versions keep alive
  std::uint64_t recent_versions = 0;  ///< versions that `view(version)` can give now
  /// Rows flushed since the oldest database that a view or a recent version reads: compaction
  /// keeps what they replaced, at most about as many bytes, until that view is gone.
  std::uint64_t superseded_bytes = 0;
  std::uint64_t overlay_memory = 0;  ///< all overlays, and committed ones that others still keep
  std::uint64_t cache_memory = 0;
  std::uint64_t cache_hits = 0;
  std::uint64_t cache_misses = 0;
  /// Rows looked up in the tables: neither buffers nor row cache nor filter knew them. Those of
  /// overlays and views count, too.
  std::uint64_t table_reads = 0;
  std::uint64_t read_threads = 0;  ///< threads that run for such reads (ReadOptions::in_flight)
  PrefetchMetrics prefetch;
  std::uint64_t key_filter_memory = 0;
  std::uint64_t key_filter_answers = 0;   ///< keys proved absent without a table read
  std::uint64_t ignored_change_sets = 0;  ///< of modules other than `evm`
};

/// A state commitment store, open for writing. A store has at most one such handle, in all
/// processes.
///
/// Failure. An error after which nothing can be assumed about the disk (such as a failed sync of
/// the log or a failed flush) fails the store: writes return `store_failed` and only reads go on.
/// Close the handle and open the store again.
///
/// Exceptions. No function throws. A failed allocation is `out_of_memory`; if it happens in a
/// function of the writer other than a read, the pending block is dropped and the store has failed.
/// Only functions that merely build something in memory for the caller, such as `to_hex`,
/// `Error::to_string` and those of BlockBuilder, throw std::bad_alloc as the standard library does.
///
/// Threads. Every function is in one of these groups:
/// - Writer, one thread at a time: apply, root_hash, working_roots, working_hash, has_pending,
///   commit, discard, get, get_many, account, storage, code, row, iterate, flush, snapshot,
///   rollback, log_record, open_report, close, and moving or destroying the handle.
/// - Any thread, also while the writer runs (`rollback` and `close` included): version,
///   initial_version, account_rows, committed_roots, view, overlay, prefetch, durable_version,
///   wait_durable, verify, scrub, scrub_status, metrics, last_timings, changes, subscribe,
///   named_cursors, drop_cursor. Every call must have returned before the handle is moved or
///   destroyed.
/// - Callbacks of Options (on_durable, log), which may call only these: version, initial_version,
///   account_rows, committed_roots, view, durable_version, scrub_status, metrics, last_timings.
///   Functions that write return `invalid_argument`. While no call of the handle is under way, one
///   may destroy it: another thread then closes it.
/// Any thread may use a ReadView and what is read from it; a RowIterator and an Overlay are for one
/// thread at a time. Overlays may be used beside everything, see there.
///
/// Fork. Threads do not survive a fork. Once a process has opened a store, a child that it forks
/// cannot open one unless it execs first: every such call is `unsupported`, and so is, on an
/// inherited handle, every call that can fail. The child may destroy that handle, which closes
/// nothing and releases no lock; it must not touch inherited views, iterators and overlays, and end
/// by _exit or exec, since exit waits for RocksDB's threads. A child forked before the first use is
/// not restricted. Keep descriptors 0 to 2 open; otherwise RocksDB's files may get them.
class CommitStore {
 public:
  /// Creates an empty store at `path`, durable on return. As in every function that takes a path, a
  /// relative one is resolved against the current directory at the time of the call. Errors:
  /// invalid_argument (there is a store already, or options), unsupported (forked, or a network
  /// file system), locked, permission, io, no_space.
  static Status create(const std::string& path, const CreateOptions& options = {});

  /// Opens for writing and recovers if needed. Errors: not_found (no store and no
  /// `create_if_missing`), invalid_argument (options), unsupported (forked, or a network file
  /// system), locked, corruption, log_gap, log_behind, foreign_store, format_too_new,
  /// import_incomplete, permission, io, no_space. A refused open has changed nothing.
  static Result<CommitStore> open(const std::string& path, const Options& options = {});

  CommitStore(CommitStore&&) noexcept;
  CommitStore& operator=(CommitStore&&) noexcept;
  /// Closes, but drops any error: call `close` where errors matter.
  ~CommitStore();

  /// Adds writes, of a BlockBuilder for instance, to the pending block: all of them or, on any
  /// error, none. A later write of a key replaces an earlier one. Change sets of modules other than
  /// `evm` are ignored and counted. The bytes are copied: the caller may free them on return.
  /// `invalid_argument` names the change set and the pair, both counted from 1, and the version;
  /// see Options::strict.
  Status apply(std::span<const NamedChangeSet> change_sets);

  /// The working root: that of the committed state with the pending block on top.
  Result<Digest> root_hash() const;
  Result<Roots> working_roots() const;
  Roots committed_roots() const noexcept;
  /// The working lattice hash of a data database; `invalid_argument` for `metadata`.
  Result<LtHash> working_hash(Database database) const;

  /// The last committed version; initial version − 1 for a new store.
  std::int64_t version() const noexcept;
  std::int64_t initial_version() const noexcept;
  AccountRows account_rows() const noexcept;
  /// Whether the pending block writes any row. Change sets without pairs or of other modules do not
  /// count.
  bool has_pending() const noexcept;

  /// Commits the pending block, which may be empty, as `version`, which must be version() + 1;
  /// otherwise `version_mismatch`, and nothing has changed. Returns when the block is as durable as
  /// `Options::durability` says. An error after the log record was begun fails the store.
  Result<Roots> commit(std::int64_t version);

  /// An empty overlay on the committed state: a block of its own, beside the pending one and any
  /// number of others. `no_space` while overlays take more than Options::overlay_memory_bytes.
  Result<Overlay> overlay() const;
  /// Commits an overlay and, before it, the uncommitted ones below it, in order and each as a block
  /// with a version and a log record of its own. `version` is the overlay's own. Returns its roots.
  /// Other overlays on blocks that were committed go on from there; those on other branches are
  /// stale. Errors, after which nothing has changed: `stale`, `version_mismatch` (another version
  /// than Overlay::version), `invalid_argument` (a block is pending on the handle, the overlay is
  /// committed already or of another store). An error after some of the blocks were committed names
  /// the last one's version. An error after a log record was begun fails the store.
  Result<Roots> commit(Overlay& overlay);
  Result<Roots> commit(Overlay& overlay, std::int64_t version);

  /// Drops the pending block.
  void discard();

  /// The reads of ReadView, with pending writes on top of the committed state.
  Result<std::optional<Bytes>> get(ByteView external_key) const;
  /// Like `get`, it puts rows read from disk into the row cache.
  Result<std::vector<std::optional<Bytes>>> get_many(std::span<const ByteView> external_keys) const;
  Result<std::optional<Account>> account(const Address& address) const;
  Result<std::optional<Bytes>> storage(const Address& address, const Slot& slot) const;
  Result<std::optional<Bytes>> code(const Address& address) const;
  Result<std::optional<Bytes>> row(Database database, ByteView internal_key) const;
  /// As ReadView::iterate, with the pending writes at the time of the call on top.
  Result<RowIterator> iterate(Database database, const RowRange& range = {}) const;

  /// Loads the rows of these keys into the row cache, in the background, for a client that knows
  /// what a block is going to touch: its `apply` then finds them in memory, and does not read again
  /// what is being read. Returns at once. A hint without a result: rows beyond
  /// ReadOptions::prefetch_rows are dropped, and without a row cache all are. Errors, after which
  /// nothing was asked for: `invalid_argument` (a key is empty or too long), `store_failed`
  /// (closed).
  Status prefetch(std::span<const ByteView> external_keys) const;

  /// The committed state, for reading. `no_space` while views keep more than
  /// Options::max_view_bytes alive.
  Result<ReadView> view() const;

  /// The state of one of the last Options::recent_versions versions, for reading; takes constant
  /// time and no disk access. Since an open only blocks that it replayed are there. Errors:
  /// `version_mismatch`, naming the versions that can be read so (ReadOnlyStore reads older ones);
  /// `no_space` as for `view()`; `store_failed` if the store is closed.
  Result<ReadView> view(std::int64_t version) const;

  /// The highest version known to be durable. `wait_durable` returns once that is at least
  /// `version`; `invalid_argument` if `version` is not committed, `stale` if it is undone
  /// meanwhile.
  std::int64_t durable_version() const noexcept;
  Status wait_durable(std::int64_t version);

  /// Writes all committed rows into the databases; returns when they are there.
  Status flush();

  /// Writes a snapshot of the committed state; pending writes are not in it. A valid snapshot of
  /// this version is left as it is.
  Status snapshot();

  /// Goes back to an older version. From StoreMetrics::undo_floor on that takes milliseconds and
  /// touches no table: the blocks above are undone (Options::rollback_depth). Below, it goes as
  /// flatkv::rollback does (tools/rollback.hpp), but keeps the lock.
  /// Drops the pending block; at the current version that is all it does. Existing views stay
  /// readable, and new ones can be taken meanwhile. After a refusal (`version_mismatch`, naming the
  /// versions that can be reached) or a failed build nothing has changed. After an error of the
  /// final swap or later, the store has failed; when reopened it is at the old version or at
  /// `version`.
  Status rollback(std::int64_t version);

  /// As flatkv::verify on the committed state, with Options::threads threads. Differences are in
  /// the report and are not errors; `store_failed` if the store has failed or is closed.
  Result<VerifyReport> verify(const VerifyOptions& options = {}) const;

  /// Scrubs one slice: reads at most `max_rows` rows of the database that the scrub is in, never
  /// beyond its end, and saves the progress. A flush may have to wait for a slice, so one is at
  /// most 65 536 rows or 32 MiB. Damage is a finding in the status and not an error. Errors:
  /// `unsupported` (ScrubOptions::mode is off), `store_failed`, `cancelled` (the store is being
  /// closed or rolled back), `invalid_argument` (`max_rows` is 0).
  Result<ScrubStatus> scrub(std::uint64_t max_rows);
  /// How far the scrub has come; nothing if ScrubOptions::mode is off.
  Result<std::optional<ScrubStatus>> scrub_status() const;

  /// The header of the log's record of a version; nothing if the log does not hold that record.
  Result<std::optional<LogRecord>> log_record(std::int64_t version) const;

  /// The committed blocks from version `from` to `to`, both included, with their change sets, from
  /// the log. `to` = `from` − 1 is an empty range. Errors: `invalid_argument` (no such range),
  /// `version_mismatch` (`to` is above the last version; the message names that), `log_gap` (the
  /// log begins above `from`; the message names where), `store_failed` (closed), `corruption`,
  /// `io`.
  Result<ChangeReader> changes(std::int64_t from, std::int64_t to) const;

  /// Every commit and undo from where the options say, first from the log, then as they happen.
  /// Errors: `invalid_argument` (options, or another subscription has the name), `foreign_store`
  /// (the cursor), `log_gap` (the log no longer holds what comes next, or no longer shows where the
  /// cursor's blocks leave the chain), `version_mismatch` (`after` is above what can be delivered),
  /// `no_space` (too many names), `format_too_new` (the names), `store_failed` (closed),
  /// `corruption`, `io`.
  Result<Subscription> subscribe(const SubscribeOptions& options = {});
  /// The names for which the log is kept, in their order, whether or not anyone subscribes now.
  /// `store_failed` (closed), or `format_too_new`.
  Result<std::vector<NamedCursor>> named_cursors() const;
  /// Keeps nothing for a name any more; `not_found` if there is none. Its subscription loses it.
  Status drop_cursor(const std::string& name);

  /// Of the open or the last rollback; valid until the next rollback.
  const OpenReport& open_report() const noexcept;
  StoreMetrics metrics() const noexcept;
  CommitTimings last_timings() const noexcept;

  /// Flushes, syncs the log, stops background work and releases the databases and the lock; if
  /// views are left, the last of them releases these. Returns the first error. Drops pending
  /// writes. A closed handle still tells versions and roots; everything else returns
  /// `store_failed`. Closing again does nothing.
  Status close();

 private:
  friend struct Internals;
  struct Impl;
  explicit CommitStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv

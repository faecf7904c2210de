// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "flatkv/change_set.hpp"
#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/log_block.hpp"
#include "flatkv/options.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/store.hpp"
#include "flatkv/view.hpp"

// Reads a store without changing it, also beside a writer in this or another process. Any thread
// may call these functions.
namespace FLATKV_API flatkv {

/// The digest of the changelog payload that these change sets make as block `version`.
/// `change_sets` are those of all `apply` calls of the block, in order; sets of modules other than
/// `evm` are left out. Fails only with `out_of_memory`.
Result<Digest> block_digest(std::int64_t version, std::span<const NamedChangeSet> change_sets);

/// Reads the changelog of a store, oldest block first, with or without the change sets. An
/// unfinished last record counts as the end. A reader at the end follows the log: `next` returns
/// blocks that a writer commits later. One thread.
class LogReader {
 public:
  struct Range {
    std::int64_t base = 0;  ///< version just before the first record kept
    /// Version of the last record; equal to `base` in a log without records.
    std::int64_t last = 0;
    std::uint64_t bytes = 0;  ///< of all segments
  };
  /// Starts at version `from`, or at the oldest record kept. Errors: not_found, corruption, log_gap
  /// (`from` is no longer kept), io.
  static Result<LogReader> open(const std::string& store, std::optional<std::int64_t> from,
                                bool with_changes);
  LogReader(LogReader&&) noexcept;
  LogReader& operator=(LogReader&&) noexcept;
  ~LogReader();

  /// What the log held at `open`.
  const Range& range() const noexcept;
  /// The next block; nothing while there is none. Never waits: call again for blocks that were
  /// committed since. A block may not be durable yet, so a power cut or a rollback may take it
  /// back. Errors: corruption, io, and three that end the reader for good: `version_mismatch` (the
  /// store went back below what was read, or goes on with other blocks), `log_gap` (the next block
  /// was pruned before it was read) and `foreign_store` (another store took its place).
  Result<std::optional<LogBlock>> next();
  /// Makes all blocks that `next` returned durable, if the store still has them, whoever wrote
  /// them. Takes the right to write the log. Errors: permission, io.
  Status sync();

 private:
  struct Impl;
  explicit LogReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct SnapshotInfo {
  std::int64_t version = 0;
  std::string path;
  std::optional<Roots> roots;  ///< unset if the snapshot is not valid
  PerDataDatabase<DatabaseStats> stats;
  std::uint64_t bytes = 0;  ///< of its files, whether or not other directories link them too
  /// Why it is not valid: damaged, or of another branch of the store.
  std::optional<Error> problem;
};

/// The snapshots of the live generation, in ascending order of versions; one that is not valid has
/// a `problem`. Errors: not_found, corruption, import_incomplete, permission, io, and locked (the
/// writer kept replacing what was to be read).
Result<std::vector<SnapshotInfo>> list_snapshots(const std::string& store);

/// A range of versions, both ends included.
struct VersionRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
  bool operator==(const VersionRange&) const = default;
};

/// What `flatkv info` shows. Where a part could not be read, `problems` says why.
struct StoreInfo {
  std::string generation;
  std::uint32_t format = 0;
  std::string store_id;  ///< hex
  AccountRows account_rows = AccountRows::keep;
  std::int64_t initial_version = 1;
  /// From its oldest record to where it is no longer unbroken.
  std::optional<LogReader::Range> log;
  /// Why the log does not reach the committed version although the store opens. `--at`, `log` and
  /// rollbacks cannot reach the versions between.
  std::optional<Error> log_problem;
  std::optional<Roots> roots;           ///< of the committed version
  std::optional<std::int64_t> version;  ///< committed
  struct DatabaseInfo {
    Database database = Database::account;
    std::optional<std::int64_t> version;  ///< of its last flush
    DatabaseStats stats;
    std::uint64_t bytes = 0;
    std::optional<Error> problem;
  };
  std::vector<DatabaseInfo> databases;  ///< five
  /// A writer has the store open: the figures are the newest snapshot's.
  bool databases_from_snapshot = false;
  /// Versions whose state can be read or rolled back to: those that a valid snapshot and the log
  /// reach, and the committed one. Ascending, with gaps between. The log may hold records of
  /// further versions.
  std::vector<VersionRange> reachable;
  /// The lowest version that `rollback` reaches by undoing blocks, without building a generation;
  /// the committed one if no block can be undone. Unset while a writer has the store open, since
  /// only that knows (StoreMetrics::undo_floor), and for a store that does not open.
  std::optional<std::int64_t> undo_floor;
  std::uint64_t bytes = 0;  ///< of all files of the store; a file with several links counts once
  bool locked = false;
  /// Who has the store open, as its file LOCK says; set only while it is locked.
  struct Holder {
    std::int64_t pid = 0;
    std::string host;
    std::string since;  ///< UTC, ISO 8601
  };
  std::optional<Holder> holder;
  bool clean = false;  ///< closed cleanly
  std::vector<SnapshotInfo> snapshots;
  std::optional<ScrubProgress> scrub;  ///< as last saved; unset if there is none or it is damaged
  std::vector<std::string> notes;      ///< what an open would repair or skip, and report
  /// Empty for a store that would open. Otherwise what was found and what was expected.
  std::vector<Error> problems;
  std::vector<std::string> remedies;  ///< commands that could help
};
/// Describes a store, also one that does not open: what is wrong with it is in `problems`. Errors:
/// not_found (there is no store), permission, io, out_of_memory.
Result<StoreInfo> inspect_store(const std::string& store);

/// What this process may use, and the row cache that a store opened with default options gets.
struct HostLimits {
  std::uint64_t memory = 0;  ///< bytes: the machine's, or the lowest limit of its control groups
  std::string memory_from;   ///< "the machine", or the file that sets the limit
  unsigned cores = 1;        ///< likewise; the CPU affinity counts too
  std::string cores_from;    ///< likewise, or "the affinity"
  std::uint64_t descriptors = 0;  ///< open files: the soft RLIMIT_NOFILE
  std::uint64_t row_cache = 0;    ///< bytes that CacheOptions::kAutomatic stands for
};
/// Error: `out_of_memory`.
Result<HostLimits> host_limits();

/// A version and its roots line.
struct RootsAt {
  std::int64_t version = 0;
  Roots roots;
};
/// The roots line of version `at`, or of the newest one, from the log's headers and the snapshots.
/// Errors: version_mismatch (neither holds that version; the message names those that they hold),
/// not_found, corruption, log_behind, format_too_new, import_incomplete, permission, io, and locked
/// (the writer kept replacing what was to be read).
Result<RootsAt> roots_at(const std::string& store, std::optional<std::int64_t> at);

struct ReadOnlyOptions {
  std::optional<std::int64_t> at;  ///< the newest version if not set
  /// Directory for the clone; if empty, the store's. Clones of dead readers in it are removed.
  std::string scratch;
  std::uint64_t block_cache_bytes = 64ULL << 20;  ///< bytes; at most 2^47
  std::uint64_t write_buffer_bytes = 128ULL << 20;
  std::uint32_t threads = 0;             ///< 0 is one per core; at most 1024
  bool strict = false;                   ///< for `apply`, as Options::strict
  StrictExceptions strict_exceptions{};  ///< likewise
  /// Request to end with `cancelled`; checked between replayed blocks.
  std::stop_token stop;
  LogCallback log;
};

/// A private clone of a store at one version, made of hard links where possible, and removed with
/// the handle. Never changes the writer's files. The handle is for one thread at a time; its views
/// are for any.
class ReadOnlyStore {
 public:
  /// Errors as CommitStore::open, and version_mismatch, with the range, for a version that
  /// snapshots and log do not reach.
  static Result<ReadOnlyStore> open(const std::string& store, const ReadOnlyOptions& options = {});
  ReadOnlyStore(ReadOnlyStore&&) noexcept;
  ReadOnlyStore& operator=(ReadOnlyStore&&) noexcept;
  ~ReadOnlyStore();

  std::int64_t version() const noexcept;
  const Roots& roots() const noexcept;
  AccountRows account_rows() const noexcept;
  /// Why a snapshot was cloned and not the live working copy: that is unusable, and an open would
  /// rebuild it. Unset if the working copy was cloned, or was not examined because a writer has it.
  const std::optional<Error>& working_copy_problem() const noexcept;
  ReadView view() const noexcept;
  Result<VerifyReport> verify(const VerifyOptions& options = {}) const;

  /// For what-if questions: adds writes to a pending block of version() + 1, which is never
  /// committed. Errors as CommitStore::apply. A failed allocation in `apply` or `working_roots`
  /// drops the block, and the handle takes no more writes (`store_failed`).
  Status apply(std::span<const NamedChangeSet> change_sets);
  Result<Roots> working_roots() const;
  void discard() noexcept;
  /// The same for blocks that build on one another: an empty overlay on this state. It cannot be
  /// committed, and its memory is not bounded.
  Result<Overlay> overlay() const;

  /// The reads of ReadView, with pending writes on top.
  Result<std::optional<Bytes>> get(ByteView external_key) const;
  Result<std::vector<std::optional<Bytes>>> get_many(std::span<const ByteView> external_keys) const;
  Result<std::optional<Account>> account(const Address& address) const;
  Result<std::optional<Bytes>> storage(const Address& address, const Slot& slot) const;
  Result<std::optional<Bytes>> code(const Address& address) const;
  Result<std::optional<Bytes>> row(Database database, ByteView internal_key) const;
  Result<RowIterator> iterate(Database database, const RowRange& range = {}) const;

 private:
  friend struct Internals;
  struct Impl;
  explicit ReadOnlyStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv

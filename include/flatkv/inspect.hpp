// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flatkv/change_set.hpp"
#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/options.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/store.hpp"
#include "flatkv/view.hpp"

// Looking at a store without changing it, beside a writer in this or another process.
namespace FLATKV_API flatkv {

/// Digest of the changelog payload that these change sets make as block `version`. `change_sets`
/// are those of all apply calls of the block, in order. Sets of other modules are left out.
/// Fails only with `out_of_memory`.
Result<Digest> block_digest(std::int64_t version, std::span<const NamedChangeSet> change_sets);

/// A block of the log, with its change sets as they came.
class LogBlock {
 public:
  LogRecord record;
  /// Empty unless the block was read with changes. Valid as long as this object.
  std::span<const NamedChangeSet> change_sets() const noexcept;

  struct Impl;
  std::shared_ptr<const Impl> impl;
};

/// Reads the changelog of a store, oldest first, headers only or with payloads. An unfinished last
/// record is the end. A reader that reached the end follows: `next` returns the blocks that a
/// writer commits later. One thread.
class LogReader {
 public:
  struct Range {
    std::int64_t base = 0;    ///< version just before the first record kept
    std::int64_t last = 0;    ///< last record; equal to base in a log without records
    std::uint64_t bytes = 0;  ///< of all segments
  };
  /// Errors: not_found, corruption, log_gap (`from` is not kept), io. Without `from`: the oldest
  /// kept.
  static Result<LogReader> open(const std::string& store, std::optional<std::int64_t> from,
                                bool with_changes);
  LogReader(LogReader&&) noexcept;
  LogReader& operator=(LogReader&&) noexcept;
  ~LogReader();

  /// As found by `open`.
  const Range& range() const noexcept;
  /// The next block; nothing while there is none. Never waits: ask again for what came since. A
  /// block may not be durable yet, and a power cut or rollback may take it back. Errors:
  /// corruption, io, and three that end the reader for good: `version_mismatch` (the store went
  /// back below what was read, or continues with other blocks), `log_gap` (the next block was
  /// pruned before it was read) and `foreign_store` (another store took its place).
  Result<std::optional<LogBlock>> next();

 private:
  struct Impl;
  explicit LogReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct SnapshotInfo {
  std::int64_t version = 0;
  std::string path;
  std::optional<Roots> roots;  ///< of a valid one
  std::array<DatabaseStats, 4> stats{};
  std::uint64_t bytes = 0;       ///< of its files, shared or not
  std::optional<Error> problem;  ///< why it is not valid: damage, or another branch of the store
};

/// Snapshots of the live generation, ascending.
Result<std::vector<SnapshotInfo>> list_snapshots(const std::string& store);

/// A range of versions, both ends included.
struct VersionRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
  bool operator==(const VersionRange&) const = default;
};

/// What `info` shows; every part that could not be read has its reason in `problems`.
struct StoreInfo {
  std::string generation;
  std::uint32_t format = 0;
  std::string store_id;  ///< hex
  AccountRows account_rows = AccountRows::keep;
  std::int64_t initial_version = 1;
  std::optional<LogReader::Range> log;  ///< from its oldest record as far as it is unbroken
  /// Why the log does not lead to the committed version although the store opens: versions between
  /// are lost to `--at`, `log` and rollbacks.
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
  std::vector<DatabaseInfo> databases;   ///< five
  bool databases_from_snapshot = false;  ///< a writer has the store: figures of the newest snapshot
  /// Versions whose state can be read or rolled back to: from a valid snapshot through the log, or
  /// the committed one. Ascending, not adjacent. The log may hold records of more.
  std::vector<VersionRange> reachable;
  std::uint64_t bytes = 0;  ///< of all files of the store; one with several links counts once
  bool locked = false;
  /// Who has the store open, as the file LOCK says; only while it is locked.
  struct Holder {
    std::int64_t pid = 0;
    std::string host;
    std::string since;  ///< UTC, ISO 8601
  };
  std::optional<Holder> holder;
  bool clean = false;  ///< closed cleanly
  std::vector<SnapshotInfo> snapshots;
  std::optional<ScrubProgress> scrub;  ///< as last saved; nothing without one, or a bad one
  std::vector<std::string> notes;      ///< what an open would mend or pass over, and report
  /// Empty for a store that would open. Otherwise what was found, what was expected.
  std::vector<Error> problems;
  std::vector<std::string> remedies;  ///< commands that could help
};
Result<StoreInfo> inspect_store(const std::string& store);

/// What this process may use, and what a store that it opens with default options makes of it.
struct HostLimits {
  std::uint64_t memory = 0;  ///< bytes: the machine's, or the least limit of its control groups
  std::string memory_from;   ///< "the machine", or the file that sets the limit
  unsigned cores = 1;        ///< likewise, the affinity counted
  std::string cores_from;    ///< likewise, or "the affinity"
  std::uint64_t descriptors = 0;  ///< open files: the soft RLIMIT_NOFILE
  std::uint64_t row_cache = 0;    ///< bytes that Options::kAutoCache stands for
};
HostLimits host_limits();

/// Roots line of a version from the log's headers and snapshots; without `at`, of the last.
/// `version_mismatch` with the range for a version that neither keeps.
struct RootsAt {
  std::int64_t version = 0;
  Roots roots;
};
Result<RootsAt> roots_at(const std::string& store, std::optional<std::int64_t> at);

struct ReadOnlyOptions {
  std::optional<std::int64_t> at;  ///< the newest version if not set
  /// Directory for the clone; default: inside the store. Clones there that readers left when they
  /// died are removed.
  std::string scratch;
  std::uint64_t block_cache = 64ULL << 20;  ///< bytes; at most 2^47
  std::uint64_t write_buffer = 128ULL << 20;
  std::uint32_t threads = 0;                  ///< 0 is one per core; at most 1024
  bool strict = false;                        ///< of `apply`, as Options::strict
  StrictExceptions strict_exceptions{};       ///< likewise
  const std::atomic<bool>* cancel = nullptr;  ///< looked at between blocks that are replayed
  LogCallback log;
};

/// A private clone of a store at one version, removed when the handle goes. Never touches the
/// writer's files. One thread, but views are for any.
class ReadOnlyStore {
 public:
  /// Errors as CommitStore::open, and version_mismatch for a version outside what snapshots and log
  /// reach, with the range.
  static Result<ReadOnlyStore> open(const std::string& store, const ReadOnlyOptions& options = {});
  ReadOnlyStore(ReadOnlyStore&&) noexcept;
  ReadOnlyStore& operator=(ReadOnlyStore&&) noexcept;
  ~ReadOnlyStore();

  std::int64_t version() const noexcept;
  const Roots& roots() const noexcept;
  AccountRows account_rows() const noexcept;
  /// Why the live working copy was not what was cloned, but a snapshot: it is unusable, and an open
  /// would rebuild it. Nothing where it served, or was not looked at (a writer has it).
  const std::optional<Error>& working_copy_problem() const noexcept;
  ReadView view() const noexcept;
  Result<VerifyReport> verify(const VerifyOptions& options = {}) const;

  /// What-if: adds writes to a pending block of version() + 1 that nobody will commit.
  Status apply(std::span<const NamedChangeSet> change_sets);
  Result<Roots> working_roots() const;
  void discard() noexcept;

  struct Impl;
  explicit ReadOnlyStore(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flatkv/bytes.hpp"
#include "flatkv/error.hpp"
#include "flatkv/options.hpp"
#include "flatkv/transfer.hpp"

// Mending damaged databases of a store.
namespace flatkv {

struct RepairOptions {
  /// An exported state to take the rows from instead of a snapshot: one of this store's chain, at a
  /// version from which the log leads on. Borrowed, read to its end. Not for `metadata`.
  ByteSource* stream = nullptr;
  std::uint64_t block_cache = 256ULL << 20;   ///< bytes, while blocks are replayed; at most 2^47
  std::uint64_t write_buffer = 128ULL << 20;  ///< bytes, likewise
  std::uint32_t threads = 0;  ///< for scans and hashing; 0 is one per core; at most 1024
  const std::atomic<bool>* cancel = nullptr;  ///< looked at until the swap: `cancelled`
  /// `what` is the step in words; `done` and `total` are its rows or blocks. Never called twice at
  /// once, but from any thread.
  std::function<void(std::string_view what, std::uint64_t done, std::uint64_t total)> progress;
  LogCallback log{};
};

/// What a database was rebuilt from, before the log.
enum class RepairSource : std::uint8_t {
  none,        ///< nothing was rebuilt
  snapshot,    ///< one in which the database verified by a full scan
  stream,      ///< RepairOptions::stream
  local_meta,  ///< `metadata`: what the four others say of themselves, each as the log has it
};

struct RepairReport {
  Database database = Database::account;
  /// Nothing for a database that verifies: then nothing was changed.
  std::optional<Error> damage;
  bool repaired() const noexcept { return damage.has_value(); }
  /// Of the store now; of a database that verifies, of its last flush.
  std::int64_t version = 0;
  /// Of the database at that version, by a full scan; of `metadata` the root.
  Digest checksum{};
  RepairSource source = RepairSource::none;
  std::int64_t source_version = 0;
  /// Snapshots of the store now, and those that went because a mended database does not verify in
  /// them.
  std::vector<std::int64_t> kept_snapshots;
  std::vector<std::int64_t> dropped_snapshots;
  /// Why the store does not open all the same, where nothing was to be mended.
  std::optional<Error> refusal;
};

/// Rebuilds one database of a store that nobody has open, whether the store opens or not: from the
/// newest snapshot in which it verifies by a full scan (or from a stream) and the log, compared
/// with the log's record of every block on the way, and proven by a full scan of what lies on disk.
/// The others are carried over as they are. All of it is built beside the live state and swapped
/// in whole: a crash at any moment leaves the one or the other, and repair can be run again.
/// Afterwards the store is at the version where the log ends, with a snapshot of it; snapshots in
/// which the database does not verify are gone.
///
/// Errors, nothing changed: corruption (there is no source left, or something else is damaged too;
/// the message says what and what could help), log_gap (the log does not lead from a source to its
/// end), log_behind, version_mismatch and foreign_store (the stream), invalid_argument, not_found,
/// locked, import_incomplete, format_too_new, io, no_space, permission, cancelled. An error of the
/// last step, the swap itself, leaves the one or the other.
Result<RepairReport> repair(const std::string& store, Database database,
                            const RepairOptions& options = {});

/// Several in one run, for a store in which more than one is damaged: a repair of one stands on the
/// others as they are, so that two that do not open would each have to wait for the other. Each is
/// rebuilt from the newest snapshot in which it verifies, or all from the stream; those that verify
/// are carried over. Kept are the snapshots in which all of the mended verify. One report for each
/// database, in the order given.
Result<std::vector<RepairReport>> repair(const std::string& store,
                                         const std::vector<Database>& databases,
                                         const RepairOptions& options = {});

/// With the stream in a file, decompressed if its name ends in `.zst`.
Result<RepairReport> repair_from_file(const std::string& store, Database database,
                                      const std::string& file, RepairOptions options = {});

}  // namespace flatkv

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "flatkv/bytes.hpp"
#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/options.hpp"
#include "flatkv/progress.hpp"
#include "flatkv/tools/transfer.hpp"

// Repair of damaged databases.
namespace FLATKV_API flatkv {

struct RepairOptions {
  /// An exported state to take the rows from instead of a snapshot: a state of this store's chain,
  /// at a version from which the log leads on. Borrowed; read to its end. Not for `metadata`.
  ByteSource* stream = nullptr;
  /// The same in a file, compressed or not as in check_file. Not together with `stream`.
  std::string stream_file{};
  std::uint64_t block_cache_bytes = 256ULL << 20;   ///< bytes, for replay; at most 2^47
  std::uint64_t write_buffer_bytes = 128ULL << 20;  ///< bytes, for replay
  std::uint32_t threads = 0;    ///< for scans and hashing; 0: one per core; at most 1024
  std::stop_token stop;         ///< until the swap: request to end with `cancelled`
  ProgressCallback progress{};  ///< counts the rows or blocks of a step
  LogCallback log{};
};

/// What a database is rebuilt from before the log is replayed.
enum class RepairSource : std::uint8_t {
  none,        ///< nothing was rebuilt
  snapshot,    ///< a snapshot in which the database verifies by a full scan
  stream,      ///< RepairOptions::stream or stream_file
  local_meta,  ///< `metadata`: the LocalMetas of the four others, each confirmed by the log or a
               ///< snapshot
};

struct RepairReport {
  Database database = Database::account;
  /// What was wrong; nullopt if the database verifies, and then nothing was changed.
  std::optional<Error> damage;
  bool repaired() const noexcept { return damage.has_value(); }
  /// Of the store now; if the database verified, of its last flush.
  std::int64_t version = 0;
  /// Of the database at that version, by a full scan; for `metadata` the root.
  Digest checksum{};
  RepairSource source = RepairSource::none;
  std::int64_t source_version = 0;  ///< of the snapshot or stream
  /// Versions of the snapshots that the store has now, and of those that were dropped because a
  /// repaired database does not verify in them.
  std::vector<std::int64_t> kept_snapshots;
  std::vector<std::int64_t> dropped_snapshots;
  /// If nothing was repaired: why the store does not open all the same.
  std::optional<Error> refusal;
};

/// Rebuilds those of `databases` that are damaged, in a store that nobody has open, whether it
/// opens or not. Takes the rows of each from the newest snapshot in which it verifies by a full
/// scan (or all from a stream), replays the log, compares each block with its record, and proves
/// the result by a full scan of what is on disk. Carries the other databases over unchanged, and
/// those that verify. Builds everything beside the live state and swaps it in whole: a crash at any
/// moment leaves either the old or the new state, and repair can be run again. Afterwards the store
/// is at the version where the log ends, with a snapshot there; snapshots in which a repaired
/// database does not verify are gone. If all verify, nothing is changed.
///
/// Name all damaged databases in one call: the repair of one relies on the others, so two calls
/// would wait for each other. Returns one report for each database, in the order given.
///
/// Errors, with nothing changed: corruption (no source is left, or something else is damaged too;
/// the message says what, and what could help), log_gap (the log does not lead from a source to its
/// end), log_behind, version_mismatch and foreign_store (the stream), invalid_argument, not_found,
/// locked, import_incomplete, format_too_new, io, no_space, permission, cancelled. An error of the
/// last step, the swap, may leave either state.
Result<std::vector<RepairReport>> repair_databases(const std::string& store,
                                                   std::span<const Database> databases,
                                                   const RepairOptions& options = {});

}  // namespace flatkv

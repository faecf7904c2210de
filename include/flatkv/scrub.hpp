// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flatkv/export.hpp"
#include "flatkv/verify.hpp"

// Verifies a running store, a slice at a time. A round goes through the four data databases in
// order and proves each whole at some version, although blocks are committed meanwhile; then the
// next round begins. docs/recovery.md explains why this works, and what a round can and cannot
// find. ScrubOptions::mode turns it on; read-only stores are not scrubbed.
namespace FLATKV_API flatkv {

/// The result of the last round that finished a database.
struct ScrubVerdict {
  std::uint64_t round = 0;
  std::int64_t version = 0;
  bool good = false;
};

/// How far a scrub has come. It is saved, and survives restarts.
struct ScrubProgress {
  std::uint64_t round = 1;                ///< the round under way; earlier rounds are complete
  Database database = Database::account;  ///< the one being read
  std::uint64_t rows = 0;                 ///< rows of it that are done
  std::int64_t version = 0;               ///< at which these rows are known
  /// The last verdict on each data database; unset before the first.
  PerDataDatabase<std::optional<ScrubVerdict>> verdicts;
};

/// A database that failed verification: it differs, or could not be read (`verdict.error`).
struct ScrubFinding {
  std::uint64_t round = 0;
  std::int64_t version = 0;
  DatabaseVerdict verdict;
};

struct ScrubStatus {
  ScrubProgress progress;
  double fraction = 0;         ///< of the round, by rows; 0 to 1
  bool resumed = false;        ///< the open continued where an earlier handle had stopped
  std::string begun_anew;      ///< why it did not although there was saved progress; else empty
  std::uint64_t rows = 0;      ///< read since the open
  double rows_per_second = 0;  ///< since the first slice after the open
  /// Since the open, oldest first; only the newest 100 are kept.
  std::vector<ScrubFinding> findings;
  std::uint64_t failed_saves = 0;  ///< how often the progress could not be saved
};

}  // namespace flatkv

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flatkv/export.hpp"
#include "flatkv/verify.hpp"

// Verification of a running store, a slice at a time. A round goes through the four data databases
// in order and proves each whole at some version, although blocks are committed meanwhile; then
// the next round begins. docs/recovery.md explains why that works, and what a round can and cannot
// find. Options::scrub turns it on; read-only stores are not scrubbed.
namespace FLATKV_API flatkv {

/// How a database came out of the last round that went through it.
struct ScrubVerdict {
  std::uint64_t round = 0;
  std::int64_t version = 0;
  bool good = false;
};

/// How far a scrub is: what it remembers over restarts.
struct ScrubProgress {
  std::uint64_t round = 1;                ///< under way; those before are complete
  Database database = Database::account;  ///< being read
  std::uint64_t rows = 0;                 ///< of it that are behind
  std::int64_t version = 0;               ///< that they are known at
  /// The last verdict on each data database; nothing before the first.
  std::array<std::optional<ScrubVerdict>, 4> verdicts;
};

/// A database that did not come out right: it differs, or could not be read (`verdict.error`).
struct ScrubFinding {
  std::uint64_t round = 0;
  std::int64_t version = 0;
  DatabaseVerdict verdict;
};

struct ScrubStatus {
  ScrubProgress progress;
  double fraction = 0;         ///< of the round, by rows; 0 to 1
  bool resumed = false;        ///< the open went on from where an earlier handle was
  std::string begun_anew;      ///< why the open did not, where there was something to go on from
  std::uint64_t rows = 0;      ///< read since the open
  double rows_per_second = 0;  ///< of these, since the first
  /// Since the open, oldest first; the newest 100 of them.
  std::vector<ScrubFinding> findings;
  std::uint64_t failed_saves = 0;  ///< times that the progress could not be written
};

}  // namespace flatkv

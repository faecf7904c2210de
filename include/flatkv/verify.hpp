// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <vector>

#include "flatkv/bytes.hpp"
#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/progress.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/view.hpp"

namespace FLATKV_API flatkv {

/// Options of a full scan.
struct VerifyOptions {
  std::uint32_t threads = 0;  ///< 0: as Options::threads; for a view, one per core; at most 1024
  std::uint64_t rows_per_second = 0;  ///< 0: no limit
  std::stop_token stop;               ///< checked every few thousand rows; ends with `cancelled`
  std::optional<Database> database;   ///< scan only this data database; unset: all four
  /// Counts the rows scanned, of those that the store says there are.
  ProgressCallback progress{};
};

/// What a full scan of one database found, and what the store says of it.
struct DatabaseVerdict {
  Database database = Database::account;
  Digest expected{};
  Digest found{};
  DatabaseStats expected_stats;
  DatabaseStats found_stats;
  /// Why the scan did not finish, e.g. a table block that RocksDB cannot read; `found` and
  /// `found_stats` mean nothing then.
  std::optional<Error> error;
  bool good() const { return !error && expected == found && expected_stats == found_stats; }
};

struct VerifyReport {
  std::int64_t version = 0;
  Roots roots;  ///< as the store has them
  std::vector<DatabaseVerdict> databases;
  /// The four hashes add up to the global one. For a database that could not be scanned, the hash
  /// that the store has of it is used. Always true if only one was scanned.
  bool sum_good = true;
  bool good() const;
};

/// Scans a view and compares it with its hashes and counts. Any thread, beside a running writer. A
/// database that differs or cannot be read is a verdict in the report, and the others are scanned
/// all the same; the only errors are `cancelled`, `invalid_argument` and `out_of_memory`. Memory:
/// about 1 MiB a thread, or the size of the largest value if that is more. `threads` 0 is one per
/// core.
Result<VerifyReport> verify(const ReadView& view, const VerifyOptions& options = {});

}  // namespace flatkv

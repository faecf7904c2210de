// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "flatkv/bytes.hpp"
#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/view.hpp"

namespace FLATKV_API flatkv {

/// How a full scan is done.
struct VerifyOptions {
  std::uint32_t threads = 0;                  ///< 0: as the store's; at most 1024
  std::uint64_t rows_per_second = 0;          ///< 0: no limit
  const std::atomic<bool>* cancel = nullptr;  ///< looked at every few thousand rows
  std::optional<Database> database;           ///< one database only, of the four with rows
  /// Rows seen so far and rows that the store says there are; from any of the scan's threads, never
  /// twice at once.
  std::function<void(std::uint64_t rows, std::uint64_t total)> progress;
};

/// What a full scan of one database found beside what the store says of it.
struct DatabaseVerdict {
  Database database = Database::account;
  Digest expected{};
  Digest found{};
  DatabaseStats expected_stats;
  DatabaseStats found_stats;
  /// Why the scan did not come to its end, e.g. a block that RocksDB cannot read; `found` and
  /// `found_stats` say nothing then.
  std::optional<Error> error;
  bool good() const { return !error && expected == found && expected_stats == found_stats; }
};

struct VerifyReport {
  std::int64_t version = 0;
  Roots roots;  ///< as the store says
  std::vector<DatabaseVerdict> databases;
  /// The four hashes add up to the global one; of a database that could not be scanned, the hash
  /// that the store has of it.
  bool sum_good = true;
  bool good() const;
};

/// Full scan of a view against its hashes and counts, beside a writer that goes on; any thread. A
/// database that differs or cannot be read is a verdict in the report and does not keep the others
/// from being scanned; an error is only `cancelled` or `invalid_argument`. Memory: about 1 MiB a
/// thread, or the largest value where that is more. `threads` 0 is one per core.
Result<VerifyReport> verify(const ReadView& view, const VerifyOptions& options = {});

}  // namespace flatkv

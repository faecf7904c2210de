// SPDX-License-Identifier: Apache-2.0
// Compares a full scan of a state with the hashes and counts that the state holds
// (docs/specification.md#verify).
#include "base/error.hpp"
#include "base/guard.hpp"
#include "base/internals.hpp"
#include "read/read_view.hpp"
#include "scan/scan.hpp"
#include "state/check_options.hpp"

namespace flatkv {

bool VerifyReport::good() const {
  for (const DatabaseVerdict& verdict : databases) {
    if (!verdict.good()) return false;
  }
  return sum_good;
}

namespace read {

Result<VerifyReport> verify_state(const std::shared_ptr<const state::State>& state,
                                  const VerifyOptions& options, std::uint32_t threads) {
  FLATKV_TRY(state::check_options(options));
  VerifyReport report;
  report.version = state->version;
  report.roots = state->roots;
  std::uint64_t total = 0;
  for (const Database database : kDataDatabases) {
    if (!options.database || *options.database == database) total += state->of(database).stats.rows;
  }
  std::uint64_t before = 0;
  LtHash sum;
  for (const Database database : kDataDatabases) {
    const state::DbState& own = state->of(database);
    if (options.database && *options.database != database) continue;
    scan::ScanOptions scan_options;
    scan_options.threads = options.threads != 0 ? options.threads : threads;
    scan_options.rows_per_second = options.rows_per_second;
    scan_options.stop = options.stop;
    if (options.progress) {
      scan_options.progress = [&](std::uint64_t rows) {
        options.progress("verify", before + rows, total);
      };
    }
    auto scanned = scan::scan_rows(state::cursors_of(state, database), scan_options);
    if (!scanned && scanned.error().code == ErrorCode::cancelled) {
      return std::unexpected(std::move(scanned).error());
    }
    DatabaseVerdict verdict;
    verdict.database = database;
    verdict.expected = state->roots.of(database);
    verdict.expected_stats = own.stats;
    if (scanned) {
      verdict.found = scanned->hash.checksum();
      verdict.found_stats = scanned->stats;
      sum += scanned->hash;
      before += scanned->stats.rows;
    } else {
      // A database that cannot be read says nothing about the others.
      verdict.error = std::move(scanned).error();
      verdict.error->database = database;
      sum += *own.hash;
      before += own.stats.rows;
    }
    report.databases.push_back(std::move(verdict));
  }
  if (!options.database) report.sum_good = sum.checksum() == state->roots.root;
  return report;
}

}  // namespace read

Result<VerifyReport> verify(const ReadView& view, const VerifyOptions& options) {
  return guarded([&] { return read::verify_state(Internals::impl(view).state, options, 0); });
}

}  // namespace flatkv

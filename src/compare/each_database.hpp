// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "flatkv/view.hpp"
#include "scan/scan.hpp"

namespace flatkv::compare {

/// Scans one database after another, `only` or all four: `step(database, scan_options)` returns the
/// rows that it saw. `options` are a public function's. Progress is shown under `what`, of a share
/// of 1/`of` of the rows. The error of a step names its database.
template <class Options, class Step>
Status each_database(const ReadView& view, std::optional<Database> only, std::uint32_t of,
                     const Options& options, std::string_view what, Step&& step) {
  const auto chosen = [&](Database database) { return !only || *only == database; };
  std::uint64_t total = 0;
  for (const Database database : kDataDatabases) {
    if (chosen(database)) total += view.stats(database).rows;
  }
  std::uint64_t before = 0;
  for (const Database database : kDataDatabases) {
    if (!chosen(database)) continue;
    scan::ScanOptions scan_options;
    scan_options.threads = options.threads;
    scan_options.rows_per_second = options.rows_per_second;
    scan_options.stop = options.stop;
    if (options.progress) {
      scan_options.progress = [&, before](std::uint64_t rows) {
        options.progress(what, before + rows, total / of);
      };
    }
    Result<std::uint64_t> rows = step(database, std::move(scan_options));
    if (!rows) {
      Error error = std::move(rows).error();
      error.database = database;
      return std::unexpected(std::move(error));
    }
    before += *rows;
  }
  return {};
}

}  // namespace flatkv::compare

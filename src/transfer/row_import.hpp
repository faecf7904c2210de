// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "flatkv/tools/transfer.hpp"
#include "layout/generation.hpp"
#include "layout/lock.hpp"
#include "recovery/generation_builder.hpp"
#include "transfer/row_tables.hpp"

namespace flatkv::transfer {

/// Builds the next generation of a store from rows that the caller has checked, ordered and hashed:
/// first tables, then databases, log and snapshot, then the swap. The rows come through `write`, or
/// in tables that the caller made. Until `finish` succeeds the old store stands; without it the
/// destructor removes what was built. One thread; holds the store's lock.
class RowImport {
 public:
  static Result<std::unique_ptr<RowImport>> begin(const state::Environment& environment,
                                                  const std::string& path,
                                                  const ImportOptions& options);
  ~RowImport();
  RowImport(const RowImport&) = delete;
  RowImport& operator=(const RowImport&) = delete;

  AccountRows account_rows() const noexcept { return manifest_.account_rows; }
  /// Rows in stream order.
  Status write(std::span<const ImportRow> rows);
  /// Options with which to write a table; any thread.
  rocks::DbOptions table_options(Database which) const { return builder_.database_options(which); }
  /// Takes a finished table of a database's rows, all of them behind those of the one before. It is
  /// linked: the file stays where it is, too.
  Status take_table(Database which, const std::string& table);
  /// Where the parts of an import may lie until it is over (docs/recovery.md#import-from-parts).
  std::string parts_directory() const;
  /// Completes the generation and makes it the live one.
  Status finish(std::int64_t version, const PerDataDatabase<LtHash>& hashes,
                const PerDataDatabase<DatabaseStats>& stats);

 private:
  RowImport(fs::FileSystem& files, std::string store, const layout::Manifest& manifest,
            layout::StoreLock lock, recovery::GenerationBuilder builder, LogCallback log);

  fs::FileSystem& files_;
  std::string store_;
  layout::Manifest manifest_;
  layout::StoreLock lock_;
  recovery::GenerationBuilder builder_;
  Logger logger_;
  PerDataDatabase<std::optional<RowTables>> tables_;  ///< set from the start
  PerDataDatabase<std::vector<std::string>> taken_;   ///< tables that the caller made
};

}  // namespace flatkv::transfer

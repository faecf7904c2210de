// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "recovery/recovery_analysis.hpp"
#include "scan/scan.hpp"

// Checks whether one database of a copy is what its version should be.
namespace flatkv::repair {

/// The roots line of a version from a source other than the database itself.
using ExpectedRoots = std::function<Result<std::optional<Roots>>(std::int64_t version)>;

struct Verdict {
  std::optional<Error> damage;          ///< nullopt: it verifies
  std::optional<std::int64_t> version;  ///< of its last flush, if readable
  Digest checksum{};                    ///< if it verifies; the root for `metadata`
};

/// Full scan of a closed database of `copy`, which must belong to `store`. What cannot be read is
/// damage and no error: it must not keep the caller from trying another source. Errors are those of
/// the machine, and `cancelled`.
Result<Verdict> judge_database(const state::Environment& environment, const std::string& copy,
                               Database which, const layout::StoreId& store,
                               const ExpectedRoots& expected, const scan::ScanOptions& options);

/// Whether the two copies of the database share a table file: snapshots are hard links, so damage
/// to one is damage to both.
bool shares_tables(fs::FileSystem& files, const std::string& copy, const std::string& other,
                   Database which);

}  // namespace flatkv::repair

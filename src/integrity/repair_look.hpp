#pragma once

#include <functional>
#include <optional>
#include <string>

#include "scan/scan.hpp"
#include "store/examine.hpp"

// Whether one database of a copy is what its version should be (spec §9).
namespace flatkv::integrity {

/// The roots line of a version as something tells it that is not the database itself.
using ExpectedRoots = std::function<Result<std::optional<Roots>>(std::int64_t version)>;

struct Verdict {
  std::optional<Error> damage;          ///< nothing: it verifies
  std::optional<std::int64_t> version;  ///< of its last flush, where that can be read
  Digest checksum{};                    ///< of a database that verifies; of `metadata` the root
};

/// Full scan of a closed database of `copy`. What cannot be read is damage of it and no error: it
/// must not keep anybody from a source that can. `store`: whose it has to be. Errors are those of
/// the machine, and `cancelled`.
Result<Verdict> judge_database(const store::Environment& environment, const std::string& copy,
                               Database which, const layout::StoreId& store,
                               const ExpectedRoots& expected, const scan::ScanOptions& options);

/// Whether the database has a table file in both copies: a snapshot is hard links, and damage to
/// one is damage to both.
bool shares_tables(fs::FileSystem& files, const std::string& copy, const std::string& other,
                   Database which);

}  // namespace flatkv::integrity

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/progress.hpp"
#include "flatkv/store.hpp"
#include "flatkv/tools/transfer.hpp"

// Import of the changelog of a Sei FlatKV node.
namespace FLATKV_API flatkv {

struct SeiLogOptions {
  /// Treat 21-byte keys that begin with 0x21 as balances, as this store does. The node that wrote
  /// the log did not, so its roots were others; without this option such a log is refused.
  bool balances = false;
  /// Refuse (`invalid_argument`) a log with what strict mode refuses, as Options::strict.
  bool strict = false;
  StrictExceptions strict_exceptions{};  ///< likewise
  std::stop_token stop;                  ///< request to end with `cancelled` between blocks
  /// Called on the calling thread after each block, with its version and the last one.
  ProgressCallback progress{};
};

/// A check alone leaves `committed` and `held` 0.
struct SeiLogReport {
  std::int64_t last = 0;            ///< last version of the log
  std::int64_t committed = 0;       ///< blocks committed by this call
  std::int64_t held = 0;            ///< blocks that the store had before
  std::uint64_t skipped_sets = 0;   ///< sets without a name and without pairs
  std::uint64_t skipped_pairs = 0;  ///< pairs with an empty key
  std::optional<std::string> torn;  ///< where an unfinished last entry begins; it is left out
};

/// Reads and checks a whole log directory of a Sei FlatKV node: segments "%020d" or "%020d.zst",
/// named by the index of their first entry, of `uvarint length ‖ ChangelogEntry`. Errors:
/// `not_found` (no directory, or no segment in it), `log_gap` (it does not begin at 1, or an entry
/// is missing), `corruption` (with path and offset), `unsupported` (balances), `cancelled`.
Result<SeiLogReport> check_sei_log(const std::string& directory, const SeiLogOptions& options = {});

/// Commits the blocks of a log that `check_sei_log` accepted to `store`, up to the last
/// version that the check found, continuing at the store's version. Errors: those above if the log
/// has changed since, `version_mismatch` (a held block differs), and those of apply and commit.
Result<SeiLogReport> import_sei_log(const std::string& directory, const SeiLogReport& checked,
                                    CommitStore& store, const SeiLogOptions& options = {});
/// Both in one call: commits nothing before the whole log is checked.
Result<SeiLogReport> import_sei_log(const std::string& directory, CommitStore& store,
                                    const SeiLogOptions& options = {});

}  // namespace flatkv

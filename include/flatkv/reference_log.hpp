#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "flatkv/error.hpp"
#include "flatkv/store.hpp"
#include "flatkv/transfer.hpp"

namespace flatkv {

struct ReferenceLogOptions {
  /// Take 21-byte keys that begin with 0x21 for balances, as this store does. The node that wrote
  /// the log did not, so its own roots were others: without this such a log is refused.
  bool balances = false;
  /// Refuse (`invalid_argument`) a log with what strict mode refuses, as Options::strict.
  bool strict = false;
  StrictExceptions strict_exceptions{};       ///< likewise
  const std::atomic<bool>* cancel = nullptr;  ///< looked at between blocks
  std::function<void(std::int64_t version, std::int64_t last)> progress;
};

/// Of a check alone, `committed` and `held` are 0.
struct ReferenceLogReport {
  std::int64_t last = 0;            ///< last version of the log
  std::int64_t committed = 0;       ///< blocks committed now
  std::int64_t held = 0;            ///< blocks that the store had already
  std::uint64_t skipped_sets = 0;   ///< without a name and without pairs
  std::uint64_t skipped_pairs = 0;  ///< with an empty key
  std::optional<std::string> torn;  ///< an unfinished last entry: where
};

/// Reads the whole log directory of a Sei FlatKV node (spec §5): segments "%020d" or "%020d.zst" of
/// `uvarint length ‖ ChangelogEntry`. Errors: `not_found` (no directory, or no segment in it),
/// `log_gap` (it does not begin at 1, or an entry is missing), `corruption` (path and offset),
/// `unsupported` (balances).
Result<ReferenceLogReport> check_reference_log(const std::string& directory,
                                               const ReferenceLogOptions& options = {});

/// Replays a log that `check_reference_log` found to be good, up to the version that it found last,
/// on `store`, going on where that stands. Errors: those above where the log changed meanwhile,
/// `version_mismatch` (a held block differs), and those of apply and commit.
Result<ReferenceLogReport> import_reference_log(const std::string& directory,
                                                const ReferenceLogReport& checked,
                                                CommitStore& store,
                                                const ReferenceLogOptions& options = {});
/// Both: nothing is committed before all of the log is checked.
Result<ReferenceLogReport> import_reference_log(const std::string& directory, CommitStore& store,
                                                const ReferenceLogOptions& options = {});

}  // namespace flatkv

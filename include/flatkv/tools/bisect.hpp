// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "flatkv/export.hpp"
#include "flatkv/progress.hpp"
#include "flatkv/tools/digest.hpp"
#include "flatkv/tools/inspect.hpp"

// The block at which two nodes diverge, and the keys that differ there. Works beside writers.
namespace FLATKV_API flatkv {

struct BisectOptions {
  std::stop_token stop;         ///< request to end with `cancelled`
  ProgressCallback progress{};  ///< counts blocks compared
};

/// Where two logs diverge, by their roots lines. Only reading in order finds the first difference:
/// roots can become equal again, and chain digests differ between stores from the start.
struct Divergence {
  struct Side {
    AccountRows account_rows = AccountRows::keep;
    std::int64_t initial_version = 1;
    LogReader::Range log;  ///< what the log holds
  };
  std::array<Side, 2> sides;
  std::int64_t first = 0;  ///< oldest version whose roots lines were compared
  std::int64_t last = 0;   ///< newest: where they diverge, or the last that both have

  bool parted = false;  ///< whether the logs diverge, at `last`
  /// They differ at `first` already and no equal state precedes it: they diverge there or before
  /// the oldest version that both keep.
  bool older = false;
  std::array<Roots, 2> roots{};  ///< of `last`
  /// Whether block `last` has the same writes in both; nullopt if a log does not have it.
  std::optional<bool> same_block;

  /// The databases whose checksums differ at `last`.
  std::vector<Database> databases() const;
};

/// Compares the logs of the stores at `a` and `b`, reading record headers only. Errors:
/// `version_mismatch` if the logs have no version in common, `log_behind` if a log that shows no
/// difference ends below its store's version, `cancelled`, and those of LogReader::open.
Result<Divergence> find_divergence(const std::string& a, const std::string& b,
                                   const BisectOptions& options = {});

/// Shows every key that differs at one version to `visit`, with both values, in order within each
/// of `databases`. Looks first at the keys that the block writes on either side; if they do not
/// explain the difference of the hashes, at all rows. `a` and `b` are the stores at `store_a` and
/// `store_b` at that version. Errors: those of reading, `cancelled`, and what `visit` returns.
Status diverging_rows(const ReadOnlyStore& a, const std::string& store_a, const ReadOnlyStore& b,
                      const std::string& store_b, const std::vector<Database>& databases,
                      const std::function<Status(const RowDifference&)>& visit,
                      const BisectOptions& options = {});

}  // namespace flatkv

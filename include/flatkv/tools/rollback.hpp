// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/options.hpp"
#include "flatkv/progress.hpp"

// Goes back to an older version.
namespace FLATKV_API flatkv {

struct RollbackOptions {
  std::uint64_t block_cache_bytes = 256ULL << 20;   ///< bytes, during replay; at most 2^47
  std::uint64_t write_buffer_bytes = 128ULL << 20;  ///< bytes, likewise
  std::uint32_t threads = 0;                        ///< 0 is one per core; at most 1024
  /// Request to end with `cancelled`; checked between blocks until the final swap.
  std::stop_token stop;
  ProgressCallback progress{};  ///< counts blocks; called on the calling thread
  LogCallback log{};
};

/// Takes a store that nobody has open back to `version`; works on a store that does not open, too.
/// The version must have a valid snapshot at or below it and an unbroken log from there on, or a
/// valid snapshot of its own. Everything above `version` is lost for good. A crash at any moment
/// leaves the old version or `version`; durable on return. Does nothing at the version where the
/// store would open.
///
/// Where databases and snapshots are all at or below `version`, no generation is built: the blocks
/// that the databases lack are replayed into memory, those above `version` are undone in the log,
/// and the store is closed (StoreInfo::undo_floor). So it is after a close with
/// Options::rollback_depth, or after a kill.
///
/// Errors after which nothing has changed: invalid_argument (options), unsupported (forked),
/// version_mismatch (not reachable; the message names the versions that are), not_found, locked,
/// corruption, import_incomplete, format_too_new, io, no_space, out_of_memory, permission,
/// cancelled. An error of the last step, the swap, leaves the store at either version.
Status rollback(const std::string& store, std::int64_t version,
                const RollbackOptions& options = {});

}  // namespace flatkv

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/options.hpp"

// Going back to an older version.
namespace FLATKV_API flatkv {

struct RollbackOptions {
  std::uint64_t block_cache = 256ULL << 20;   ///< bytes, while blocks are replayed; at most 2^47
  std::uint64_t write_buffer = 128ULL << 20;  ///< bytes, likewise
  std::uint32_t threads = 0;                  ///< 0 is one per core; at most 1024
  const std::atomic<bool>* cancel = nullptr;  ///< looked at between blocks until the swap
  /// `what` is the step in words; `done` and `total` count its blocks, both 0 for a step that has
  /// none. Called on the caller's thread.
  std::function<void(std::string_view what, std::uint64_t done, std::uint64_t total)> progress{};
  LogCallback log{};
};

/// Takes a store that nobody has open back to `version`, also one that does not open. The version
/// must have a valid snapshot at or below it and an unbroken log from there, or a valid snapshot of
/// its own. What lies above it is gone for good. A crash at any moment leaves the old tip or
/// `version`; durable on return. At the version where the store would open: nothing to do.
///
/// Errors, nothing changed: version_mismatch (not reachable; the message names what is), not_found,
/// locked, corruption, import_incomplete, format_too_new, io, no_space, permission, cancelled. An
/// error of the last step, the swap itself, leaves the one or the other.
Status rollback(const std::string& store, std::int64_t version,
                const RollbackOptions& options = {});

}  // namespace flatkv

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "changelog/reader.hpp"
#include "commit/core.hpp"

namespace flatkv::recovery {

/// Options for a core that only replays: it flushes by size alone and leaves compaction to the next
/// open.
Options replay_options(Options options);

/// Replays up to and including `until`. Checks `cancel` (may be null) regularly: `cancelled`. Calls
/// `progress` (may be empty) with the number of blocks replayed.
Status replay_until(
    commit::Core& core, changelog::Reader& reader, const std::string& directory, std::int64_t until,
    std::stop_token stop,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress = {});

}  // namespace flatkv::recovery

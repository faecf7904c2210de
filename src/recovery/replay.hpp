// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "changelog/reader.hpp"
#include "commit/core.hpp"

namespace flatkv::recovery {

/// Of a core that only replays: it flushes for size alone, and leaves compaction to the next open.
Options replay_options(Options options);

/// Replays up to `until`, looking at `cancel` (may be null) now and then: `cancelled`. `progress`
/// (may be empty) is told how many of the blocks are done.
Status replay_until(
    commit::Core& core, changelog::Reader& reader, const std::string& directory, std::int64_t until,
    const std::atomic<bool>* cancel,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress = {});

}  // namespace flatkv::recovery

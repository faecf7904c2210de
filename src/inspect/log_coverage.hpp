// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "flatkv/tools/inspect.hpp"
#include "recovery/live_generation.hpp"
#include "recovery/recovery_analysis.hpp"

namespace flatkv::inspect {

/// The version that an open would give to a store that phase 1 did not refuse, with its roots line.
/// nullopt if neither log nor snapshots have the roots.
Result<std::optional<RootsAt>> committed_roots(fs::FileSystem& files,
                                               const recovery::RecoveryAnalysis& found);

/// Why the log does not lead from its oldest record to `version`, the store's version; the message
/// lists what can still be read. nullopt if it does. `whole` comes from walk_whole_log.
std::optional<Error> broken_history(fs::FileSystem& files, const recovery::LiveGeneration& place,
                                    const layout::StoreId& store,
                                    const Result<std::optional<changelog::LogWalk>>& whole,
                                    std::int64_t version);

}  // namespace flatkv::inspect

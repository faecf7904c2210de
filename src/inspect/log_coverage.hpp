// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "flatkv/inspect.hpp"
#include "recovery/live_generation.hpp"
#include "recovery/recovery_analysis.hpp"

namespace flatkv::inspect {

/// The version at which an open of a store that was examined and not refused would put it, with its
/// roots line. Nothing where neither log nor snapshots tell the roots.
Result<std::optional<RootsAt>> committed_roots(fs::FileSystem& files,
                                               const recovery::RecoveryAnalysis& found);

/// Why the log does not lead from its oldest record to `version`, where the store stands; which
/// versions can be read all the same is said. Nothing if it does. `whole`: of walk_whole_log.
std::optional<Error> broken_history(fs::FileSystem& files, const recovery::LiveGeneration& place,
                                    const layout::StoreId& store,
                                    const Result<std::optional<changelog::LogWalk>>& whole,
                                    std::int64_t version);

}  // namespace flatkv::inspect

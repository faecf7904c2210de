// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "recovery/recovery_analysis.hpp"
#include "scrub/scrubber.hpp"

namespace flatkv::recovery {

/// What SCRUB of an examined generation is worth when its log is replayed up to `tip` (invariant S2
/// of docs/recovery.md). Whatever is wrong with it is told in the result, never an error.
scrub::ScrubStart find_scrub(fs::FileSystem& files, const RecoveryAnalysis& found,
                             const changelog::Tip& tip);

}  // namespace flatkv::recovery

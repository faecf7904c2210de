// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "recovery/recovery_analysis.hpp"
#include "scrub/scrubber.hpp"

namespace flatkv::recovery {

/// How far the SCRUB mark of an analysed generation can be used when the log is replayed up to
/// `tip` (invariant S2 of docs/recovery.md). A problem with the mark is told in the result; it is
/// never an error.
scrub::ScrubStart find_scrub(fs::FileSystem& files, const RecoveryAnalysis& found,
                             const changelog::Tip& tip);

}  // namespace flatkv::recovery

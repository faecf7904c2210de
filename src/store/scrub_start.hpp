// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "store/examine.hpp"
#include "store/scrubber.hpp"

namespace flatkv::store {

/// What SCRUB of an examined generation is worth when its log is replayed up to `tip` (invariant S2
/// of docs/recovery.md). Whatever is wrong with it is told in the result, never an error.
ScrubStart find_scrub(fs::FileSystem& files, const Examination& found, const changelog::Tip& tip);

}  // namespace flatkv::store

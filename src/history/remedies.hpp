// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "history/look.hpp"
#include "store/examine.hpp"

namespace flatkv::history {

/// What is known of a store that phase 1, or a replay after it, refused.
struct Refused {
  const Error& problem;
  const Place& place;                ///< as far as it was found
  const store::Examination& found;   ///< likewise
  const layout::Manifest* manifest;  ///< null where it cannot be read
  const std::vector<layout::SnapshotEntry>& snapshots;
};

/// Commands, and other steps, that could help against the refusal, the likeliest first. Never
/// empty. Errors: the machine's, while it looks for versions that can be reached.
Result<std::vector<std::string>> remedies(fs::FileSystem& files, const Refused& refused);

}  // namespace flatkv::history

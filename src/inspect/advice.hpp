// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "recovery/live_generation.hpp"
#include "recovery/recovery_analysis.hpp"

namespace flatkv::inspect {

/// What is known of a store that phase 1, or a replay after it, refused.
struct Refused {
  const Error& problem;
  const recovery::LiveGeneration& place;    ///< as far as it was found
  const recovery::RecoveryAnalysis& found;  ///< likewise
  const layout::Manifest* manifest;         ///< null where it cannot be read
  const std::vector<layout::SnapshotEntry>& snapshots;
};

/// Commands, and other steps, that could help against the refusal, the likeliest first. Never
/// empty. Errors: the machine's, while it looks for versions that can be reached.
Result<std::vector<std::string>> advice(fs::FileSystem& files, const Refused& refused);

}  // namespace flatkv::inspect

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "recovery/live_generation.hpp"
#include "recovery/recovery_analysis.hpp"

namespace flatkv::inspect {

/// What is known about a store that phase 1, or the replay after it, refused.
struct Refused {
  const Error& problem;
  const recovery::LiveGeneration& place;    ///< as far as it was found
  const recovery::RecoveryAnalysis& found;  ///< likewise
  const layout::Manifest* manifest;         ///< null if it cannot be read
  const std::vector<layout::SnapshotEntry>& snapshots;
};

/// Commands and other steps that may help, the likeliest first. Never empty. Errors are the
/// machine's, while it looks for reachable versions.
Result<std::vector<std::string>> advice(fs::FileSystem& files, const Refused& refused);

}  // namespace flatkv::inspect

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "workloads/state.hpp"

namespace flatkv::bench {

/// Blocks of `slots` under a chain that forks: by the handle, by overlays, by two siblings of which
/// one is committed; lookups through many uncommitted blocks; undos, and views of recent versions.
struct ForksOptions {
  std::string directory{};  ///< an empty directory of our own
  Shape shape{};
  Options store{};
  std::uint64_t blocks = 0;   ///< of each kind; 0: as many as `seconds` allow
  double seconds = 10;        ///< of all blocks together
  std::uint64_t warm_up = 0;  ///< blocks before that
  std::stop_token stop;
  ProgressCallback progress{};
};

/// The kinds take turns on one store, so that the machine is the same for all. `cancelled` between
/// two blocks.
Result<std::vector<Step>> run_forks(const ForksOptions& options);

}  // namespace flatkv::bench

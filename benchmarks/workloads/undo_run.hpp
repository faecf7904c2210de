// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <stop_token>

#include "flatkv/store.hpp"
#include "workloads/state.hpp"
#include "workloads/timed_files.hpp"
#include "workloads/workload.hpp"

namespace flatkv::bench {

/// The part of `forks` that goes back: undos of 1, 3 and 100 blocks; views; a chain that forks.
struct UndoRun {
  CommitStore& store;  ///< with a rollback_depth of `kUndoDepth` at least, on `files`
  TimedFiles& files;
  Workload& workload;
  Shape shape{};             ///< of `workload`, which is `slots`
  std::uint64_t rounds = 0;  ///< of each depth, and heights of the chain; 0: as many as are useful
  std::stop_token stop;
  ProgressCallback progress{};
};
inline constexpr std::uint32_t kUndoDepth = 128;

/// Adds a step for each depth, for views and for the chain. `cancelled` between two blocks.
Status measure_undos(const UndoRun& run, std::vector<Step>& steps);

}  // namespace flatkv::bench

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "flatkv/error.hpp"
#include "flatkv/options.hpp"
#include "flatkv/progress.hpp"
#include "workloads/workload.hpp"

namespace flatkv::bench {

/// Operations other than commits, on a state of `slots`: opening, snapshots, transfer,
/// verification.
struct StateOptions {
  std::string directory{};  ///< an empty directory of our own
  Shape shape{};            ///< of the blocks committed beside or before the operations
  Options store{};
  std::uint64_t log_blocks = 10'000;      ///< small blocks in the log before the timed open
  std::uint64_t catch_up_blocks = 1'000;  ///< of `shape.writes`, left to replay after a kill
  double seconds = 10;                    ///< of commits, without and then with a snapshot
  std::stop_token stop;
  ProgressCallback progress{};
};

/// One figure of a step: name with its unit ("open_ms"), value.
using Figure = std::pair<std::string, double>;

struct Step {
  std::string name{};
  double seconds = 0;             ///< of the operation itself
  std::uint64_t peak_memory = 0;  ///< bytes resident, of the process that ran only this step
  std::vector<Figure> figures{};
};

/// Runs the steps one after another, each in a process of its own, so that memory is measured for
/// each and one of them can be killed. Call it before this process uses the library's threads or
/// RocksDB. An error names its step; a step stopped by an interrupt is `cancelled`.
Result<std::vector<Step>> run_state(const StateOptions& options);

}  // namespace flatkv::bench

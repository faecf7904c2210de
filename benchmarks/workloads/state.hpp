#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "flatkv/error.hpp"
#include "flatkv/options.hpp"
#include "workloads/workload.hpp"

namespace flatkv::bench {

/// The operations beside commits, on a state of `slots`: opening, snapshots, moving, checking.
struct StateOptions {
  std::string directory{};  ///< empty, and ours
  Shape shape{};            ///< of the blocks that are committed beside or before the operations
  Options store{};
  std::uint64_t log_blocks = 10'000;      ///< small blocks in the log before the open that is timed
  std::uint64_t catch_up_blocks = 1'000;  ///< of `shape.writes`, left to a kill
  double seconds = 10;                    ///< of commits, without and then with a snapshot
  const std::atomic<bool>* cancel = nullptr;
  std::function<void(std::string_view what, std::uint64_t done, std::uint64_t total)> progress{};
};

/// One figure of a step: name with its unit ("open_ms"), value.
using Figure = std::pair<std::string, double>;

struct Step {
  std::string name{};
  double seconds = 0;             ///< of the operation itself
  std::uint64_t peak_memory = 0;  ///< bytes resident, of the process that ran the step alone
  std::vector<Figure> figures{};
};

/// Runs the steps one after another, each in a process of its own (so that its memory is its own,
/// and one of them can be killed). Must be called before this process uses the library's threads or
/// RocksDB. An error of a step names it; a step that an interrupt stopped is `cancelled`.
Result<std::vector<Step>> run_state(const StateOptions& options);

}  // namespace flatkv::bench

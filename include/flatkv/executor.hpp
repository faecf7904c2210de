// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "flatkv/error.hpp"
#include "flatkv/export.hpp"

namespace FLATKV_API flatkv {

/// Threads that hash rows, and look many up in memory, for one store or several. Implement it to
/// let stores use the threads of the program around them. Each store that is given one
/// (Options::executor) has its own share, Options::threads, and keeps the executor until its last
/// task has ended. Any thread may call the functions.
class Executor {
 public:
  virtual ~Executor() = default;
  /// How many tasks it can run at the same time; ≥ 1.
  virtual std::uint32_t threads() const noexcept = 0;
  /// Runs `task` once, soon, on another thread than the caller's, and does not wait for it. A task
  /// takes some hundred microseconds, never throws and never waits for another task. May throw
  /// without having taken the task, e.g. std::bad_alloc: the caller then does the work itself.
  virtual void run(std::function<void()> task) = 0;
};

/// The executor of stores that are given none, one for the process. The calling thread hashes, too:
/// so it has a thread for every core but one that the process may use (CPU affinity and quota
/// count), and at least one. Never null.
Result<std::shared_ptr<Executor>> shared_executor();

/// A new executor of `threads` threads, 1 to 1024, but of no more than the shared one has. Never
/// null. Errors: `invalid_argument`, `out_of_memory`.
Result<std::shared_ptr<Executor>> make_executor(std::uint32_t threads);

}  // namespace flatkv

// SPDX-License-Identifier: Apache-2.0
#include "flatkv/executor.hpp"

#include <tbb/task_arena.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/guard.hpp"
#include "base/machine.hpp"

namespace flatkv {
namespace {

/// All but the calling thread's.
std::uint32_t kept_cores() { return std::max(machine().cores, 2U) - 1; }

/// A part of oneTBB's threads.
class ArenaExecutor : public Executor {
 public:
  /// With more threads than there are cores for, oneTBB would print a warning. One of the arena's
  /// slots is for a thread that joins it, which none does.
  explicit ArenaExecutor(std::uint32_t threads)
      : threads_(std::min(threads, kept_cores())),
        arena_(static_cast<int>(std::min(threads_ + 1, machine().cores))) {
    arena_.initialize();
  }

  std::uint32_t threads() const noexcept override { return threads_; }
  void run(std::function<void()> task) override { arena_.enqueue(std::move(task)); }

 private:
  const std::uint32_t threads_;
  tbb::task_arena arena_;
};

}  // namespace

Result<std::shared_ptr<Executor>> shared_executor() {
  return guarded([]() -> Result<std::shared_ptr<Executor>> {
    // Never destroyed: a task that still waits in the arena would be lost with it.
    static const auto& made =
        *new std::shared_ptr<Executor>(std::make_shared<ArenaExecutor>(kept_cores()));
    return made;
  });
}

Result<std::shared_ptr<Executor>> make_executor(std::uint32_t threads) {
  return guarded([&]() -> Result<std::shared_ptr<Executor>> {
    if (threads < 1 || threads > kMostThreads) {
      return fail(ErrorCode::invalid_argument, "an executor can have 1 to " +
                                                   std::to_string(kMostThreads) + " threads, not " +
                                                   std::to_string(threads));
    }
    return std::make_shared<ArenaExecutor>(threads);
  });
}

}  // namespace flatkv

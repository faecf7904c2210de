// SPDX-License-Identifier: Apache-2.0
#include "flatkv/executor.hpp"

#include <tbb/task_arena.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/guard.hpp"
#include "base/machine.hpp"

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#define FLATKV_SEES_RACES
#endif
#endif

namespace flatkv {
namespace {

#ifdef FLATKV_SEES_RACES
/// oneTBB is not instrumented, so ThreadSanitizer does not see that it hands a task over: what the
/// caller of `run` has written would seem to race with the task. Only that is said here; how a task
/// answers is between it and its caller, and seen. (A pointer lies within oneTBB's own object,
/// whose handover scripts/tsan.supp covers.)
std::function<void()> handed_over(std::function<void()> task) {
  auto* kept = new std::function<void()>(std::move(task));
  __tsan_release(kept);
  return [kept] {
    __tsan_acquire(kept);
    const std::unique_ptr<std::function<void()>> owner(kept);
    (*kept)();
  };
}
#else
std::function<void()> handed_over(std::function<void()> task) { return task; }
#endif

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
  void run(std::function<void()> task) override { arena_.enqueue(handed_over(std::move(task))); }

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

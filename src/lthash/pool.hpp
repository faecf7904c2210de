#pragma once

#include <cstddef>
#include <functional>

// The threads that hashing shares, oneTBB's. Any thread may call.
namespace flatkv::lthash {

/// Threads that a sum may use from now on, the calling one included; 0 is one per core that this
/// process may use, as at the start. More than there are cores are as many as the cores.
void set_threads(std::size_t count);

/// Threads that a sum may use now: those set, less the cores that are taken, and at least one. One
/// in a forked child, where no thread of the pool lives on.
std::size_t threads();

/// While this lives other work of this process keeps one core busy. A sum that competed for it
/// would wait: on two cores and beside a flush, for a thread that the scheduler lets run every four
/// milliseconds.
class CoreTaken {
 public:
  CoreTaken() noexcept;
  ~CoreTaken();
  CoreTaken(const CoreTaken&) = delete;
  CoreTaken& operator=(const CoreTaken&) = delete;
};

/// Runs `task`, which must not throw, on a thread of the pool, soon and without waiting. Throws
/// std::bad_alloc, the task not taken.
void run_on_pool(std::function<void()> task);

}  // namespace flatkv::lthash

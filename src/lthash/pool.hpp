// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>

// oneTBB's threads, which all hashing shares. Thread-safe.
namespace flatkv::lthash {

/// Sets the threads that a sum may use from now on, the calling one included. 0, the default, is
/// one per core that this process may use, which is also the maximum.
void set_threads(std::size_t count);

/// The threads that a sum may use now: those set, minus the cores that are taken, at least one. One
/// in a forked child, where no thread of the pool lives on.
std::size_t threads();

/// While this lives, other work of this process keeps one core busy and a sum does not count on it.
/// Otherwise, on two cores and beside a flush, a sum would wait for a helper thread that the
/// scheduler runs only every four milliseconds.
class CoreTaken {
 public:
  CoreTaken() noexcept;
  ~CoreTaken();
  CoreTaken(const CoreTaken&) = delete;
  CoreTaken& operator=(const CoreTaken&) = delete;
};

/// Runs `task`, which must not throw, on a thread of the pool, soon; does not wait for it. Throws
/// std::bad_alloc without having taken the task.
void run_on_pool(std::function<void()> task);

}  // namespace flatkv::lthash

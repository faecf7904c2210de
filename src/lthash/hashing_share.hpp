// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

#include "flatkv/executor.hpp"

namespace flatkv::lthash {

/// What one store may use of an executor. Thread-safe.
class HashingShare {
 public:
  /// `threads` is the most that a sum may use, the calling one included; 0, and more than there
  /// are, mean all: the calling one and those of the executor. A null `executor` is the shared one.
  explicit HashingShare(const std::shared_ptr<Executor>& executor = nullptr,
                        std::size_t threads = 0);

  /// The share of work that belongs to no store: all of the shared executor.
  static const std::shared_ptr<HashingShare>& of_process();

  /// The threads that a sum may use now: its share, minus the cores that are taken, at least one.
  /// One in a forked child, where no thread of the executor lives on.
  std::size_t threads() const;

  /// Runs `task`, which must not throw, on a thread of the executor, soon; does not wait for it.
  /// May throw without having taken the task.
  void run(std::function<void()> task) { executor_->run(std::move(task)); }

 private:
  friend class CoreTaken;
  std::shared_ptr<Executor> executor_;
  const std::size_t threads_;  ///< the most that a sum may use
  std::atomic<std::size_t> cores_taken_{0};
};

/// While this lives, other work of the store keeps one core busy and a sum does not count on it.
/// Otherwise, on two cores and beside a flush, a sum would wait for a helper thread that the
/// scheduler runs only every four milliseconds.
class CoreTaken {
 public:
  explicit CoreTaken(HashingShare& share) noexcept : share_(share) {
    share_.cores_taken_.fetch_add(1, std::memory_order_relaxed);
  }
  ~CoreTaken() { share_.cores_taken_.fetch_sub(1, std::memory_order_relaxed); }
  CoreTaken(const CoreTaken&) = delete;
  CoreTaken& operator=(const CoreTaken&) = delete;

 private:
  HashingShare& share_;
};

}  // namespace flatkv::lthash

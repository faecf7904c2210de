// SPDX-License-Identifier: Apache-2.0
#pragma once

// Private to this room.

#include <sys/resource.h>

#include <atomic>
#include <cmath>
#include <cstddef>

#include "base/stopwatch.hpp"

namespace flatkv::rocks {

/// Whether the calling thread expects what it reads to come from the device.
inline bool& reads_wait() noexcept {
  static thread_local bool wait = false;
  return wait;
}

/// How long a read has waited lately. A thread that reads from the page cache keeps its core; one
/// that waits for the device gives it up, and the system counts that. So a thread that was merely
/// preempted, as on a busy machine, has not waited. Thread-safe.
class ReadPace {
 public:
  /// Times reads of the calling thread.
  class Watch {
   public:
    /// The nanoseconds since it was made if the thread has waited for anything, otherwise 0.
    double waited() const {
      return times_given_up() == gave_up_ ? 0 : static_cast<double>(watch_.nanoseconds());
    }

   private:
    static long times_given_up() {
      rusage usage{};
      ::getrusage(RUSAGE_THREAD, &usage);
      return usage.ru_nvcsw;
    }
    long gave_up_ = times_given_up();
    Stopwatch watch_;
  };

  /// Tells that so many reads, one after the other, have waited for so many nanoseconds together.
  void took(std::size_t reads, double waited) noexcept {
    const double mean = nanoseconds_.load(std::memory_order_relaxed);
    const auto count = static_cast<double>(reads);
    // An update that another thread overwrites is no loss.
    nanoseconds_.store(mean + (waited - mean * count) / (count + kMemory),
                       std::memory_order_relaxed);
  }

  /// How many threads more are worth waking for so many reads: as many as make the waits that are
  /// divided among all of them, and the time that it takes to wake them, shortest together.
  std::size_t more_threads(std::size_t reads) const noexcept {
    const double waits = static_cast<double>(reads) * nanoseconds_.load(std::memory_order_relaxed);
    const auto best = static_cast<std::size_t>(std::sqrt(waits / kWakeNanoseconds));
    return best > 1 ? best - 1 : 0;
  }

 private:
  /// After this many reads, half of the mean is from before them.
  static constexpr double kMemory = 64;
  static constexpr double kWakeNanoseconds = 10'000;
  std::atomic<double> nanoseconds_ = 0;
};

}  // namespace flatkv::rocks

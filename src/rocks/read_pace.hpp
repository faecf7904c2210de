// SPDX-License-Identifier: Apache-2.0
#pragma once

// Private to this room.

#include <sys/resource.h>

#include <atomic>
#include <cmath>
#include <cstddef>
#include <utility>

#include "base/stopwatch.hpp"

namespace flatkv::rocks {

/// Whether the calling thread expects what it reads to come from the device.
inline bool& reads_wait() noexcept {
  static thread_local bool wait = false;
  return wait;
}

/// What the calling thread has waited for the device, as its reads of files tell. A read from the
/// page cache is short and keeps the core. A long one in which the thread gave up its core, which
/// the system counts, has waited; one that was merely preempted, as on a busy machine, has not, and
/// neither has a thread that waited for another one outside of a read.
class DeviceWaits {
 public:
  static double nanoseconds() noexcept { return mine().nanoseconds; }
  /// Forgets how often the thread gave up its core before.
  static void begin() noexcept { mine().gave_up = times_given_up(); }

  /// Calls `read`, which reads so many parts of a file.
  template <class Read>
  static auto timed(std::size_t parts, const Read& read) {
    const Stopwatch watch;
    auto done = read();
    const auto took = static_cast<double>(watch.nanoseconds());
    if (took > kCachedNanoseconds * static_cast<double>(parts)) add(took);
    return done;
  }

 private:
  /// Longer than a part from the page cache takes, shorter than one from a device.
  static constexpr double kCachedNanoseconds = 10'000;
  struct Mine {
    double nanoseconds = 0;
    long gave_up = 0;
  };
  static Mine& mine() noexcept {
    static thread_local Mine one;
    return one;
  }
  static long times_given_up() noexcept {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
  }
  static void add(double took) noexcept {
    const long before = std::exchange(mine().gave_up, times_given_up());
    if (mine().gave_up != before) mine().nanoseconds += took;
  }
};

/// How long a read has waited for the device lately. Thread-safe.
class ReadPace {
 public:
  /// Times reads of the calling thread.
  class Watch {
   public:
    Watch() noexcept { DeviceWaits::begin(); }
    double waited() const noexcept { return DeviceWaits::nanoseconds() - before_; }

   private:
    double before_ = DeviceWaits::nanoseconds();
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
    const double mean = nanoseconds_.load(std::memory_order_relaxed);
    if (mean < kHelpNanoseconds) return 0;
    const double waits = static_cast<double>(reads) * mean;
    const auto best = static_cast<std::size_t>(std::sqrt(waits / kWakeNanoseconds));
    return best > 1 ? best - 1 : 0;
  }

 private:
  /// After this many reads, half of the mean is from before them.
  static constexpr double kMemory = 64;
  static constexpr double kWakeNanoseconds = 10'000;
  /// What it costs to have a row read by another thread.
  static constexpr double kHelpNanoseconds = 4'000;
  std::atomic<double> nanoseconds_ = 0;
};

}  // namespace flatkv::rocks

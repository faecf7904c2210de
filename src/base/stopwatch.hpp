// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace flatkv {

/// Measures the time since it was made.
class Stopwatch {
 public:
  std::uint64_t nanoseconds() const noexcept {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start_).count());
  }
  double seconds() const noexcept { return static_cast<double>(nanoseconds()) * 1e-9; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

/// Adds the nanoseconds from here to the end of the scope to a total.
class TimedScope {
 public:
  explicit TimedScope(std::uint64_t& total) noexcept : total_(total) {}
  ~TimedScope() { total_ += watch_.nanoseconds(); }
  TimedScope(const TimedScope&) = delete;
  TimedScope& operator=(const TimedScope&) = delete;

 private:
  std::uint64_t& total_;
  const Stopwatch watch_;
};

}  // namespace flatkv

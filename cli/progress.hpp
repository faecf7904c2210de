// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/stopwatch.hpp"
#include "console.hpp"

namespace flatkv::cli {

/// "31.4 M", "512": a count for people.
std::string human_count(double count);
/// "1.5 GiB": bytes for people.
std::string human_bytes(std::uint64_t bytes);
/// "1 h 02 min", "3 min 05 s", "12 s".
std::string human_time(double seconds);

/// Rate, share and time left of long work, a few times a second.
class Progress {
 public:
  Progress(Console& console, std::string what);
  ~Progress() { console_.end_progress(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` of `total` in any unit give the share; `rows`, which are `unit`, the rate. A step
  /// without a total shows its name alone. Cheap: call it often.
  void update(std::string_view state, std::uint64_t rows, std::uint64_t done,
              std::optional<std::uint64_t> total, std::string_view unit = "rows");
  double seconds() const { return watch_.seconds(); }

 private:
  using Clock = std::chrono::steady_clock;
  Console& console_;
  std::string what_;
  const Stopwatch watch_;
  Clock::time_point shown_ = Clock::now();
  std::string state_;  // as shown last: a new one is shown at once
};

}  // namespace flatkv::cli

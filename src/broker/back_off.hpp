// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

namespace flatkv::broker {

/// How long to wait before trying again: twice as long each time, and by chance up to half less, so
/// that a hundred replicas do not come back in the same moment.
class BackOff {
 public:
  static constexpr std::chrono::milliseconds kFirst{200};
  static constexpr std::chrono::milliseconds kLongest{30'000};

  std::chrono::milliseconds next() {
    const auto whole = std::exchange(wait_, std::min(wait_ * 2, kLongest));
    std::uniform_int_distribution<std::int64_t> part(whole.count() / 2, whole.count());
    return std::chrono::milliseconds(part(random_));
  }
  /// It worked.
  void reset() noexcept { wait_ = kFirst; }

 private:
  std::chrono::milliseconds wait_ = kFirst;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace flatkv::broker

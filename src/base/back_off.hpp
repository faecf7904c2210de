// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>
#include <utility>

namespace flatkv {

/// How long to wait before trying again: a random share of a time that doubles, so that many who
/// failed together do not come back together. One thread.
class BackOff {
 public:
  struct Times {
    std::chrono::milliseconds first;
    std::chrono::milliseconds longest;
    int least_percent;  ///< the least share of a time that is waited
  };
  explicit BackOff(const Times& times) : times_(times), whole_(times.first) {}

  std::chrono::milliseconds next() {
    const auto whole = std::exchange(whole_, std::min(whole_ * 2, times_.longest));
    std::uniform_int_distribution<std::int64_t> share(whole.count() * times_.least_percent / 100,
                                                      whole.count());
    return std::chrono::milliseconds(share(random_));
  }
  /// It worked.
  void reset() noexcept { whole_ = times_.first; }

 private:
  Times times_;
  std::chrono::milliseconds whole_;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace flatkv

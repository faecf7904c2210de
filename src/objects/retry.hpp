// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <random>
#include <stop_token>

#include "base/worker.hpp"

namespace flatkv::objects {

/// The waits between tries: a random share of a time that doubles, so that many who failed together
/// do not come back together. One thread.
class Backoff {
 public:
  explicit Backoff(unsigned tries) : left_(tries) {}

  /// What was asked for has come on since: as many tries again.
  void reset(unsigned tries) noexcept {
    left_ = tries;
    longest_ = kFirst;
  }
  /// After a try: waits for the next one, or until a stop is requested; false if there is none.
  bool again(const std::stop_token& stop) {
    if (left_ <= 1) return false;
    --left_;
    std::uniform_int_distribution<std::int64_t> share(0, longest_.count());
    sleep_until(stop, std::chrono::steady_clock::now() + std::chrono::milliseconds(share(random_)));
    longest_ = std::min(longest_ * 2, kMost);
    return true;
  }

 private:
  static constexpr std::chrono::milliseconds kFirst{100};
  static constexpr std::chrono::milliseconds kMost{10'000};

  unsigned left_;
  std::chrono::milliseconds longest_ = kFirst;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace flatkv::objects

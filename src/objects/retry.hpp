// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <stop_token>

#include "base/back_off.hpp"
#include "base/worker.hpp"

namespace flatkv::objects {

/// The tries that are left, and the waits between them. One thread.
class Tries {
 public:
  explicit Tries(unsigned tries) : left_(tries) {}

  /// What was asked for has come on since: as many tries again.
  void reset(unsigned tries) noexcept {
    left_ = tries;
    back_off_.reset();
  }
  /// After a try: waits for the next one, or until a stop is requested; false if there is none.
  bool again(const std::stop_token& stop) {
    if (left_ <= 1) return false;
    --left_;
    sleep_until(stop, std::chrono::steady_clock::now() + back_off_.next());
    return true;
  }

 private:
  unsigned left_;
  BackOff back_off_{{std::chrono::milliseconds(100), std::chrono::milliseconds(10'000), 0}};
};

}  // namespace flatkv::objects

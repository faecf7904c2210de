// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>
#include <string>

#include "base/back_off.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/worker.hpp"

namespace flatkv::broker {

/// What those who need a broker do while it is away. One thread.
class Absence {
 public:
  /// Warns, calls `tell`, and waits before the next try, or until a stop is requested.
  template <class Tell>
  void wait(const Logger& logger, const Error& error, const std::stop_token& stop,
            const Tell& tell) {
    const auto time = back_off_.next();
    logger.warn_of("the broker is away, trying again in " + std::to_string(time.count()) + " ms",
                   error);
    tell();
    sleep_until(stop, std::chrono::steady_clock::now() + time);
  }
  /// It is there again.
  void end() noexcept { back_off_.reset(); }

 private:
  BackOff back_off_{{std::chrono::milliseconds(200), std::chrono::milliseconds(30'000), 50}};
};

}  // namespace flatkv::broker

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "flatkv/error.hpp"
#include "flatkv/options.hpp"

namespace flatkv {

/// Passes messages to the caller's callback; silent without one. Copyable; callable from any
/// thread, but never under a lock that a public function takes: the callback may call those that
/// any thread may. A message is not worth a failure: what the callback throws is dropped.
class Logger {
 public:
  Logger() = default;
  explicit Logger(LogCallback callback) : callback_(std::move(callback)) {}

  void info(std::string_view message) const noexcept { say(LogLevel::info, message); }
  void warning(std::string_view message) const noexcept { say(LogLevel::warning, message); }
  void error(std::string_view message) const noexcept { say(LogLevel::error, message); }
  /// "what: error". For threads of our own, where putting the text together must not throw.
  void warn_of(std::string_view what, const Error& error) const noexcept {
    try {
      warning(std::string(what) + ": " + error.to_string());
    } catch (...) {
      warning(what);
    }
  }

 private:
  void say(LogLevel level, std::string_view message) const noexcept {
    if (!callback_) return;
    try {
      callback_(level, message);
    } catch (...) {
      return;  // a message is not worth a failure
    }
  }
  LogCallback callback_;
};

}  // namespace flatkv

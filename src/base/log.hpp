#pragma once

#include <string_view>

#include "flatkv/options.hpp"

namespace flatkv {

/// Passes messages to the caller's callback; silent without one. Copyable; callable from any
/// thread.
class Logger {
 public:
  Logger() = default;
  explicit Logger(LogCallback callback) : callback_(std::move(callback)) {}

  void info(std::string_view message) const { say(LogLevel::info, message); }
  void warning(std::string_view message) const { say(LogLevel::warning, message); }
  void error(std::string_view message) const { say(LogLevel::error, message); }

 private:
  void say(LogLevel level, std::string_view message) const {
    if (callback_) callback_(level, message);
  }
  LogCallback callback_;
};

}  // namespace flatkv

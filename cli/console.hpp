// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "flatkv/options.hpp"
#include "outcome.hpp"

namespace flatkv::cli {

/// Standard error: messages, warnings and one line of progress that is wiped before any of them.
/// Colour and progress only on a terminal, and as NO_COLOR and --no-progress say. Thread-safe.
class Console {
 public:
  Console();

  void no_progress() { progress_ = false; }
  bool shows_progress() const noexcept { return progress_; }

  void note(std::string_view text);
  void warning(std::string_view text);
  void error(const Trouble& trouble);
  void progress(std::string line);
  void end_progress();

  /// For the library's messages.
  LogCallback log();

 private:
  void say(std::string_view colour, std::string_view label, std::string_view text);
  void wipe();

  std::mutex mutex_;
  bool terminal_;
  bool colour_;
  bool progress_;
  bool dirty_ = false;
};

}  // namespace flatkv::cli

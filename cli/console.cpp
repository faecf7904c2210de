// SPDX-License-Identifier: Apache-2.0
#include "console.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace flatkv::cli {
namespace {

void put(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

bool no_colour() {
  const char* value = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return (value != nullptr && *value != '\0') ||
         (terminal != nullptr && std::strcmp(terminal, "dumb") == 0);
}

}  // namespace

Console::Console()
    : terminal_(::isatty(STDERR_FILENO) != 0),
      colour_(terminal_ && !no_colour()),
      progress_(terminal_) {}

void Console::wipe() {
  if (dirty_) put("\r\x1b[K");
  dirty_ = false;
}

void Console::say(std::string_view colour, std::string_view label, std::string_view text) {
  const std::lock_guard lock(mutex_);
  wipe();
  std::string line = "flatkv: ";
  if (!label.empty()) {
    if (colour_) line += colour;
    line += label;
    if (colour_) line += "\x1b[0m";
    line += ": ";
  }
  line += text;
  line += '\n';
  put(line);
}

void Console::note(std::string_view text) { say("", "", text); }
void Console::warning(std::string_view text) { say("\x1b[33m", "warning", text); }

void Console::error(const Trouble& trouble) {
  say("\x1b[31m", "error", trouble.message);
  if (!trouble.advice.empty()) say("\x1b[36m", "next", trouble.advice);
}

void Console::progress(std::string line) {
  if (!progress_) return;
  const std::lock_guard lock(mutex_);
  if (line.size() > 160) line.resize(160);
  put("\r\x1b[K" + line);
  dirty_ = true;
}

void Console::end_progress() {
  const std::lock_guard lock(mutex_);
  wipe();
}

LogCallback Console::log() {
  return [this](LogLevel level, std::string_view message) {
    switch (level) {
      case LogLevel::info:
        return note(message);
      case LogLevel::warning:
        return warning(message);
      case LogLevel::error:
        return say("\x1b[31m", "error", message);
    }
  };
}

}  // namespace flatkv::cli

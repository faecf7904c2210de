// SPDX-License-Identifier: Apache-2.0
#include "progress.hpp"

#include <fmt/format.h>

#include <array>

namespace flatkv::cli {

std::string human_count(double count) {
  static constexpr std::array<const char*, 4> kUnits = {"", " k", " M", " G"};
  std::size_t unit = 0;
  while (count >= 10'000 && unit + 1 < kUnits.size()) {
    count /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f}", count) : fmt::format("{:.1f}{}", count, kUnits[unit]);
}

std::string human_bytes(std::uint64_t bytes) {
  static constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (amount >= 1024 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

std::string human_time(double seconds) {
  const auto whole = static_cast<std::uint64_t>(seconds);
  if (whole >= 3600) return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
  if (whole >= 60) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} s", whole);
}

Progress::Progress(Console& console, std::string what)
    : console_(console), what_(std::move(what)) {}

void Progress::update(std::string_view state, std::uint64_t rows, std::uint64_t done,
                      std::optional<std::uint64_t> total, std::string_view unit) {
  if (!console_.shows_progress()) return;
  const auto now = Clock::now();
  if (state == state_ && now - shown_ < std::chrono::milliseconds(200)) return;
  shown_ = now;
  state_ = state;
  if (rows == 0 && total == 0) return console_.progress(what_ + ": " + state_);
  const double elapsed = seconds();
  std::string line = fmt::format("{}: {}{}{} {}, {}/s", what_, state, state.empty() ? "" : ", ",
                                 human_count(static_cast<double>(rows)), unit,
                                 human_count(static_cast<double>(rows) / elapsed));
  if (total && *total > 0 && done > 0) {
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(*total));
    line +=
        fmt::format(", {:.0f} %, {} left", share * 100, human_time(elapsed * (1 - share) / share));
  }
  console_.progress(std::move(line));
}

}  // namespace flatkv::cli

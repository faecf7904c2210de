// SPDX-License-Identifier: Apache-2.0
#include "layout/names.hpp"

#include <algorithm>
#include <charconv>

#include "fs/files.hpp"

namespace flatkv::layout {
namespace {

constexpr std::string_view kGenerationPrefix = "gen-";
constexpr std::string_view kSnapshotPrefix = "snapshot-";
constexpr std::string_view kClonePrefix = "readonly-";
constexpr std::string_view kTmpSuffix = "-tmp";
constexpr std::size_t kGenerationDigits = 8;
constexpr std::size_t kVersionDigits = 20;
// Far above what a store can reach, and low enough that a next number always exists.
constexpr std::uint64_t kMaxGeneration = 999'999'999'999'999;
constexpr std::array<Purpose, 5> kPurposes = {Purpose::init, Purpose::import, Purpose::rollback,
                                              Purpose::repair, Purpose::rebuild};

std::string padded(std::uint64_t number, std::size_t digits) {
  const std::string text = std::to_string(number);
  return std::string(digits - std::min(digits, text.size()), '0') + text;
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_name_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
         c == '_' || c == '-';
}

/// Parses a number of at least `digits` digits, spelled as `padded` does.
std::optional<std::uint64_t> parse_padded(std::string_view text, std::size_t digits) {
  if (!all_digits(text) || text.size() < digits) return std::nullopt;
  if (text.size() > digits && text.front() == '0') return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::string_view to_string(Purpose purpose) noexcept {
  static constexpr std::array<std::string_view, 5> kNames = {"init", "import", "rollback", "repair",
                                                             "rebuild"};
  return kNames[static_cast<std::size_t>(purpose)];
}

std::string changelog_path(const std::string& generation) {
  return fs::join(generation, "changelog");
}

std::string working_path(const std::string& generation) { return fs::join(generation, "working"); }

std::string database_path(const std::string& copy, Database database) {
  return fs::join(copy, to_string(database));
}

std::string flush_path(const std::string& generation) { return fs::join(generation, "flush"); }

std::string flush_table_path(const std::string& generation, Database database,
                             std::int64_t version) {
  return fs::join(flush_path(generation),
                  std::string(to_string(database)) + "-" +
                      padded(static_cast<std::uint64_t>(version), kVersionDigits) + ".sst");
}

std::string snapshot_name(std::int64_t version) {
  return std::string(kSnapshotPrefix) + padded(static_cast<std::uint64_t>(version), kVersionDigits);
}

std::string snapshot_path(const std::string& generation, std::int64_t version) {
  return fs::join(generation, snapshot_name(version));
}

std::string generation_name(std::uint64_t number) {
  return std::string(kGenerationPrefix) + padded(number, kGenerationDigits);
}

std::optional<std::uint64_t> parse_generation_name(std::string_view name) {
  if (!name.starts_with(kGenerationPrefix)) return std::nullopt;
  const auto number = parse_padded(name.substr(kGenerationPrefix.size()), kGenerationDigits);
  if (!number || *number == 0 || *number > kMaxGeneration) return std::nullopt;
  return number;
}

std::string unfinished_name(const std::string& generation, Purpose purpose) {
  return generation + "-" + std::string(to_string(purpose)) + std::string(kTmpSuffix);
}

std::optional<UnfinishedName> parse_unfinished_name(std::string_view name) {
  if (!name.ends_with(kTmpSuffix)) return std::nullopt;
  name.remove_suffix(kTmpSuffix.size());
  const std::size_t dash = name.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto number = parse_generation_name(name.substr(0, dash));
  const auto purpose = std::ranges::find(kPurposes, name.substr(dash + 1),
                                         [](Purpose one) { return to_string(one); });
  if (!number || purpose == kPurposes.end()) return std::nullopt;
  return UnfinishedName{*number, *purpose};
}

bool is_clone_name(std::string_view name) {
  if (!name.starts_with(kClonePrefix)) return false;
  name.remove_prefix(kClonePrefix.size());
  if (name.ends_with(kTmpSuffix)) name.remove_suffix(kTmpSuffix.size());
  const std::size_t dash = name.find('-');
  if (dash == std::string_view::npos || !all_digits(name.substr(0, dash))) return false;
  const std::string_view random = name.substr(dash + 1);
  return !random.empty() && std::ranges::all_of(random, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
}

std::optional<std::int64_t> parse_snapshot_name(std::string_view name) {
  if (!name.starts_with(kSnapshotPrefix)) return std::nullopt;
  const auto version = parse_padded(name.substr(kSnapshotPrefix.size()), kVersionDigits);
  if (!version || *version > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return static_cast<std::int64_t>(*version);
}

bool is_unfinished_snapshot_name(std::string_view name) {
  return name.starts_with(kSnapshotPrefix) && name.ends_with(kTmpSuffix);
}

bool is_snapshot_file_path(std::string_view path) {
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view directory = path.substr(0, slash);
  const std::string_view name = path.substr(slash + 1);
  const bool known = std::ranges::any_of(
      kAllDatabases, [&](Database database) { return to_string(database) == directory; });
  return known && !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         std::ranges::all_of(name, is_name_character);
}

bool is_table_path(std::string_view path) { return path.ends_with(".sst"); }

}  // namespace flatkv::layout

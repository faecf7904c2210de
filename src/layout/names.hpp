// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "layout/generation.hpp"

// Makes and parses the names in a store directory. A name that is not spelled exactly as we spell
// it is not ours.
namespace flatkv::layout {

std::string generation_name(std::uint64_t number);  ///< "gen-%08d"
std::optional<std::uint64_t> parse_generation_name(std::string_view name);

struct UnfinishedName {
  std::uint64_t number = 0;
  Purpose purpose = Purpose::init;
};
std::optional<UnfinishedName> parse_unfinished_name(std::string_view name);

/// "readonly-<pid>-<random>", with or without "-tmp".
bool is_clone_name(std::string_view name);

std::optional<std::int64_t> parse_snapshot_name(std::string_view name);
/// "snapshot-…-tmp": made by an unfinished snapshot or pruning.
bool is_unfinished_snapshot_name(std::string_view name);

/// "<database>/<name>", a name of letters, digits, '.', '_' and '-' that is not "." or "..".
bool is_snapshot_file_path(std::string_view path);
/// Whether it is a table. Tables never change once written, so they are linked and not read.
bool is_table_path(std::string_view path);

}  // namespace flatkv::layout

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flatkv::cli {

/// What stands in the place of a value, for a shell that completes it.
enum class ValueKind : std::uint8_t {
  any,        ///< nobody can guess it
  words,      ///< one of OptionDescription::choices
  file,       ///< a path of a file or a directory
  directory,  ///< a path of a directory
};

/// An option, a flag or an argument, as it was declared.
struct OptionDescription {
  std::vector<std::string> names;    ///< "-v", "--verbose"; an argument has none
  std::vector<std::string> values;   ///< "FILE", or "ADDR" and "SLOT"; a flag has none
  std::vector<std::string> choices;  ///< all values that are accepted, where they are listed
  std::string text;
  std::string standard;  ///< the default, where the declaration has one
  bool required = false;
  bool repeats = false;

  bool is_argument() const noexcept { return names.empty(); }
};

struct VerbDescription {
  std::string name;
  std::string text;
  std::vector<std::string> examples;  ///< command lines
  std::vector<OptionDescription> arguments;
  std::vector<OptionDescription> options;
};

/// The whole program. Completions and manual pages are made of this and of nothing else, so they
/// say what the parser does.
struct ProgramDescription {
  std::string name;
  std::string text;
  std::vector<OptionDescription> options;
  std::vector<VerbDescription> verbs;
};

ProgramDescription describe(const CLI::App& app);

/// Of the value at `index`.
/// @throws std::logic_error for a value whose name is in no list here: whoever declares a new kind
/// of value decides how it is completed.
ValueKind kind_of(const OptionDescription& option, std::size_t index);

/// The first statement of what a verb, and an option, says of itself.
std::string brief_of_verb(std::string_view text);
std::string brief_of_option(std::string_view text);

}  // namespace flatkv::cli

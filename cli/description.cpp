// SPDX-License-Identifier: Apache-2.0
#include "description.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <stdexcept>

namespace flatkv::cli {
namespace {

constexpr std::array kDirectories = {"STORE", "DIR"};
constexpr std::array kFiles = {"FILE", "OUT", "ROOTS", "STREAM", "A", "B", "R"};
constexpr std::array kAny = {"ADDR",       "ADDRESS",  "BITS",         "BYTES",  "HEX",  "I/N",
                             "KEY",        "LOCATION", "MILLISECONDS", "N",      "NAME", "PERCENT",
                             "ROWS_PER_S", "SECONDS",  "SLOT",         "VERSION"};

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

/// CLI11 keeps the list of CLI::IsMember only as a part of the type: "TEXT:{jsonl,pb}".
std::vector<std::string> choices_in(std::string_view type) {
  const std::size_t begin = type.find(":{");
  const std::size_t end = type.find('}', begin);
  if (begin == std::string_view::npos || end == std::string_view::npos) return {};
  return split(type.substr(begin + 2, end - begin - 2), ',');
}

OptionDescription describe(const CLI::Option& option) {
  OptionDescription description;
  for (const std::string& name : option.get_snames()) description.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) description.names.push_back("--" + name);
  if (option.get_type_size() != 0) {
    const std::string type = option.get_type_name();
    description.choices = choices_in(type);
    description.values = description.is_argument() ? std::vector{option.get_name(true)}
                                                   : split(type.substr(0, type.find(':')), ' ');
  }
  description.text = option.get_description();
  description.standard = option.get_default_str();
  description.required = option.get_required();
  description.repeats = option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
  return description;
}

/// The verbs' footer is "Example:", and a command line on each line after it.
std::vector<std::string> examples_in(const std::string& footer) {
  std::vector<std::string> lines = split(footer, '\n');
  if (!lines.empty()) lines.erase(lines.begin());
  for (std::string& line : lines) line.erase(0, line.find_first_not_of(' '));
  return lines;
}

VerbDescription describe_verb(const CLI::App& app) {
  VerbDescription verb{.name = app.get_name(),
                       .text = app.get_description(),
                       .examples = examples_in(app.get_footer()),
                       .arguments = {},
                       .options = {}};
  for (const CLI::Option* option : app.get_options()) {
    (option->get_positional() ? verb.arguments : verb.options).push_back(describe(*option));
  }
  return verb;
}

/// A verb as an argument is any of the program; it is no CLI::IsMember, whose complaint would not
/// name the nearest.
void list_verbs(ProgramDescription& program) {
  std::vector<std::string> names;
  for (const VerbDescription& verb : program.verbs) names.push_back(verb.name);
  for (VerbDescription& verb : program.verbs) {
    for (OptionDescription& argument : verb.arguments) {
      if (argument.values.front() == "VERB") argument.choices = names;
    }
  }
}

std::string until(std::string_view text, std::initializer_list<std::string_view> stops) {
  std::size_t end = text.size();
  for (const std::string_view stop : stops) end = std::min(end, text.find(stop));
  return std::string(text.substr(0, end));
}

bool has(const auto& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

ProgramDescription describe(const CLI::App& app) {
  ProgramDescription program{
      .name = app.get_name(), .text = app.get_description(), .options = {}, .verbs = {}};
  for (const CLI::Option* option : app.get_options()) program.options.push_back(describe(*option));
  for (const CLI::App* verb : app.get_subcommands(nullptr)) {
    program.verbs.push_back(describe_verb(*verb));
  }
  list_verbs(program);
  return program;
}

ValueKind kind_of(const OptionDescription& option, std::size_t index) {
  if (!option.choices.empty()) return ValueKind::words;
  const std::string& value = option.values.at(index);
  if (has(kDirectories, value)) return ValueKind::directory;
  if (has(kFiles, value)) return ValueKind::file;
  if (has(kAny, value)) return ValueKind::any;
  throw std::logic_error("cli/description.cpp does not say how a value " + value + " is completed");
}

std::string brief_of_verb(std::string_view text) {
  return until(text, {". ", ".\n", ";", "\n", ": "});
}

std::string brief_of_option(std::string_view text) {
  return until(text, {". ", ".\n", ";", "\n", " (default"});
}

}  // namespace flatkv::cli

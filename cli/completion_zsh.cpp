// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "completion.hpp"

namespace flatkv::cli {
namespace {

/// Within quotes, with what zsh's own functions read as marks taken as letters.
std::string escaped(std::string_view text, std::string_view marks) {
  std::string out;
  for (const char letter : text) {
    if (marks.find(letter) != std::string_view::npos) out += '\\';
    if (letter == '\'') {
      out += "'\\''";
    } else {
      out += letter;
    }
  }
  return out;
}

/// ":FILE:_files" for each value.
std::string values(const OptionDescription& option, const char* colon) {
  std::string text;
  for (std::size_t i = 0; i < option.values.size(); ++i) {
    std::string action;
    switch (kind_of(option, i)) {
      case ValueKind::any:
        action = " ";
        break;
      case ValueKind::file:
        action = "_files";
        break;
      case ValueKind::directory:
        action = "_files -/";
        break;
      case ValueKind::words:
        action = fmt::format("({})", fmt::join(option.choices, " "));
        break;
    }
    text += fmt::format("{}{}:{}", colon, option.values[i], action);
  }
  return text;
}

std::string option_spec(const OptionDescription& option) {
  const std::string what = escaped(brief_of_option(option.text), "[]\\");
  // --option=value and --option value; with two values only the latter.
  const char* assigns = option.values.size() == 1 ? "=" : "";
  const std::string rest = fmt::format("{}[{}]{}", assigns, what, values(option, ":"));
  if (option.repeats) return fmt::format("'*{}{}'", option.names.back(), rest);
  if (option.names.size() == 1) return fmt::format("'{}{}'", option.names.front(), rest);
  return fmt::format("'({})'{{{}}}'{}'", fmt::join(option.names, " "), fmt::join(option.names, ","),
                     rest);
}

std::string specs(const VerbDescription& verb) {
  std::string text;
  for (const OptionDescription& option : verb.options) {
    text += " \\\n            " + option_spec(option);
  }
  int place = 1;
  for (const OptionDescription& argument : verb.arguments) {
    text += fmt::format(" \\\n            '{}{}'", place,
                        values(argument, argument.required ? ":" : "::"));
    ++place;
  }
  return text;
}

}  // namespace

std::string zsh_completion(const ProgramDescription& program) {
  std::string text =
      "#compdef flatkv\n"
      "# Completion of flatkv for zsh, made by `flatkv completion zsh`.\n\n"
      "_flatkv() {\n"
      "  local context state state_descr line\n"
      "  local -A opt_args\n"
      "  local -a verbs\n"
      "  _arguments -C";
  for (const OptionDescription& option : program.options) {
    text += " \\\n    " + option_spec(option);
  }
  text +=
      " \\\n    '1:verb:->verb' \\\n    '*::argument:->argument'\n  case $state in\n"
      "    verb)\n      verbs=(\n";
  for (const VerbDescription& verb : program.verbs) {
    text += fmt::format("        '{}:{}'\n", verb.name, escaped(brief_of_verb(verb.text), "\\"));
  }
  text +=
      "      )\n      _describe -t commands verb verbs\n      ;;\n"
      "    argument)\n      case $words[1] in\n";
  for (const VerbDescription& verb : program.verbs) {
    text +=
        fmt::format("        {})\n          _arguments{}\n          ;;\n", verb.name, specs(verb));
  }
  text +=
      "      esac\n      ;;\n  esac\n}\n\n"
      "# Found in fpath it is called; sourced it makes itself known.\n"
      "if [[ $funcstack[1] == _flatkv ]]; then\n  _flatkv \"$@\"\nelse\n"
      "  compdef _flatkv flatkv\nfi\n";
  return text;
}

}  // namespace flatkv::cli

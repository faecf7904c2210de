// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "completion.hpp"

namespace flatkv::cli {
namespace {

constexpr const char* kHead = R"(# Completion of flatkv for fish, made by `flatkv completion fish`.

# Whether this is the verb of the line; without one, whether the line has no verb yet.
function __flatkv_verb_is
    set -l words (commandline -opc)
    set -e words[1]
    for word in $words
        if not string match -q -- '-*' $word
            test "$word" = "$argv[1]"
            return
        end
    end
    test (count $argv) -eq 0
end

complete -c flatkv -f
)";

std::string in_quotes(std::string_view text) {
  std::string out = "'";
  for (const char letter : text) {
    if (letter == '\'' || letter == '\\') out += '\\';
    out += letter;
  }
  return out + "'";
}

/// What may follow; fish completes a value of an option and an argument by the same words.
std::string candidates(const OptionDescription& option) {
  switch (kind_of(option, 0)) {
    case ValueKind::any:
      return "";
    case ValueKind::file:
      return " -F";
    case ValueKind::directory:
      return " -a '(__fish_complete_directories)'";
    case ValueKind::words:
      return fmt::format(" -a '{}'", fmt::join(option.choices, " "));
  }
  return "";
}

std::string option_line(const std::string& verb, const OptionDescription& option) {
  std::string line = fmt::format("complete -c flatkv -n '__flatkv_verb_is{}'", verb);
  for (const std::string& name : option.names) {
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  if (!option.values.empty()) {
    // -x: a value, and no file in its place.
    line += kind_of(option, 0) == ValueKind::file ? " -r" : " -x";
    line += candidates(option);
  }
  return line + " -d " + in_quotes(brief_of_option(option.text)) + "\n";
}

/// Fish does not say which argument it stands at: any of the verb's is offered.
std::string argument_line(const std::string& verb, const OptionDescription& argument) {
  const std::string may_follow = candidates(argument);
  if (may_follow.empty()) return "";
  return fmt::format("complete -c flatkv -n '__flatkv_verb_is {}'{}\n", verb, may_follow);
}

}  // namespace

std::string fish_completion(const ProgramDescription& program) {
  std::string text = kHead;
  for (const OptionDescription& option : program.options) text += option_line("", option);
  for (const VerbDescription& verb : program.verbs) {
    text += fmt::format("complete -c flatkv -n __flatkv_verb_is -a {} -d {}\n", verb.name,
                        in_quotes(brief_of_verb(verb.text)));
  }
  for (const VerbDescription& verb : program.verbs) {
    text += "\n";
    for (const OptionDescription& argument : verb.arguments) {
      text += argument_line(verb.name, argument);
    }
    for (const OptionDescription& option : verb.options) {
      text += option_line(" " + verb.name, option);
    }
  }
  return text;
}

}  // namespace flatkv::cli

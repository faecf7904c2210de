// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "completion.hpp"

namespace flatkv::cli {
namespace {

/// The words of the line are read from the left: what an option takes, what is the verb, and how
/// many arguments it has so far. Bash has a word of its own for the = of --option=value.
constexpr const char* kReader = R"(
_flatkv() {
  local word=${COMP_WORDS[COMP_CWORD]} verb='' before plain='' kind offers='' i
  local -a takes=()
  local place=0
  for ((i = 1; i < COMP_CWORD; i++)); do
    before=${COMP_WORDS[i]}
    if [[ $before == = ]]; then
      continue
    elif ((${#takes[@]} > 0)); then
      takes=("${takes[@]:1}")
    elif [[ -z $plain && $before == -- ]]; then
      plain=yes
    elif [[ -z $plain && $before == -?* ]]; then
      _flatkv_takes "$verb $before"
    elif [[ -z $verb ]]; then
      verb=$before
    else
      place=$((place + 1))
    fi
  done
  if [[ $word == = ]]; then word=''; fi

  if ((${#takes[@]} > 0)); then
    kind=${takes[0]}
  elif [[ -z $plain && $word == -* ]]; then
    _flatkv_offers "$verb"
    kind="words $offers"
  else
    _flatkv_takes "$verb"
    kind=${takes[place]-any}
  fi
  COMPREPLY=()
  case $kind in
    words*) mapfile -t COMPREPLY < <(compgen -W "${kind#words }" -- "$word") ;;
    file) compopt -o default ;;
    directory) compopt -o dirnames ;;
  esac
}
complete -F _flatkv flatkv
)";

std::string takes(const OptionDescription& option) {
  std::string text;
  for (std::size_t i = 0; i < option.values.size(); ++i) {
    if (i > 0) text += ' ';
    switch (kind_of(option, i)) {
      case ValueKind::any:
        text += "any";
        break;
      case ValueKind::file:
        text += "file";
        break;
      case ValueKind::directory:
        text += "directory";
        break;
      case ValueKind::words:
        text += fmt::format("'words {}'", fmt::join(option.choices, " "));
        break;
    }
  }
  return text;
}

std::string takes_line(const std::string& after, const std::string& what) {
  return fmt::format("    '{}') takes=({}) ;;\n", after, what);
}

std::string takes_of(const VerbDescription& verb) {
  std::string arguments;
  for (const OptionDescription& argument : verb.arguments) arguments += ' ' + takes(argument);
  std::string text = arguments.empty() ? "" : takes_line(verb.name, arguments.substr(1));
  for (const OptionDescription& option : verb.options) {
    if (option.values.empty()) continue;
    for (const std::string& name : option.names) {
      text += takes_line(fmt::format("{} {}", verb.name, name), takes(option));
    }
  }
  return text;
}

std::string offers(const std::string& verb, const std::vector<OptionDescription>& options) {
  std::string names;
  for (const OptionDescription& option : options) {
    for (const std::string& name : option.names) names += ' ' + name;
  }
  return fmt::format("    '{}') offers='{}' ;;\n", verb, names.substr(1));
}

}  // namespace

std::string bash_completion(const ProgramDescription& program) {
  std::string verbs;
  for (const VerbDescription& verb : program.verbs) verbs += ' ' + verb.name;
  std::string text =
      "# Completion of flatkv for bash, made by `flatkv completion bash`.\n\n"
      "# What stands in the places after a verb, or after an option of it.\n"
      "_flatkv_takes() {\n  takes=()\n  case $1 in\n";
  text += takes_line("", "'words" + verbs + "'");
  for (const VerbDescription& verb : program.verbs) text += takes_of(verb);
  text += "  esac\n}\n\n_flatkv_offers() {\n  case $1 in\n" + offers("", program.options);
  for (const VerbDescription& verb : program.verbs) text += offers(verb.name, verb.options);
  return text + "  esac\n}\n" + kReader;
}

}  // namespace flatkv::cli

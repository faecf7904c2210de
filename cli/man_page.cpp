// SPDX-License-Identifier: Apache-2.0
#include "man_page.hpp"

#include <fmt/format.h>

#include "build_info.hpp"
#include "exit_help.hpp"
#include "roff.hpp"

namespace flatkv::cli {
namespace {

using roff::bold;
using roff::italic;
using roff::plain;

/// No date: a page is the same whenever it was made.
std::string head(const std::string& name, std::string_view what) {
  std::string upper = name;
  for (char& letter : upper) {
    if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  }
  return fmt::format(".TH {} 1 \"\" \"flatkv {}\" \"FlatKV\"\n.SH NAME\n{} \\- {}\n", plain(upper),
                     kVersion, plain(name), plain(what));
}

std::string values(const OptionDescription& option) {
  std::string text;
  // The choices stand for themselves; of an argument the help has only the name.
  const bool listed = !option.choices.empty() && !option.is_argument();
  const auto& names = listed ? option.choices : option.values;
  for (const std::string& name : names) {
    if (!text.empty()) text += listed ? "|" : " ";
    text += listed ? bold(name) : italic(name);
  }
  return text;
}

std::string tag(const OptionDescription& option) {
  std::string text;
  for (const std::string& name : option.names) text += (text.empty() ? "" : ", ") + bold(name);
  if (option.values.empty()) return text;
  return text + (text.empty() ? "" : " ") + values(option);
}

std::string entry(const OptionDescription& option) {
  std::string text = option.text;
  if (option.is_argument() && !option.choices.empty()) {
    text += ". One of";
    for (const std::string& choice : option.choices) {
      text += (text.ends_with("One of") ? " `" : ", `") + choice + "`";
    }
  }
  if (!option.standard.empty()) text += ". Default: " + option.standard;
  return ".TP\n" + tag(option) + "\n" + roff::paragraphs(text + ".");
}

std::string entries(const char* heading, const std::vector<OptionDescription>& options) {
  std::string text;
  for (const OptionDescription& option : options) text += entry(option);
  return text.empty() ? text : fmt::format(".SH {}\n", heading) + text;
}

std::string synopsis(const std::string& name, const VerbDescription& verb) {
  std::string text = bold(name + " " + verb.name);
  for (const OptionDescription& option : verb.options) {
    if (option.required) text += " " + tag(option);
  }
  text += " [" + italic("OPTIONS") + "]";
  for (const OptionDescription& argument : verb.arguments) {
    text += argument.required ? " " + tag(argument) : " [" + tag(argument) + "]";
  }
  return ".SH SYNOPSIS\n" + text + "\n";
}

std::string exit_statuses() {
  std::string text = ".SH EXIT STATUS\n";
  for (const auto& [status, meaning] : kExitHelp) {
    text += fmt::format(".TP\n{}\n{}", bold(status), roff::paragraphs(meaning));
  }
  return text + ".PP\n" + roff::paragraphs(kJsonFailures);
}

std::string reference(const std::string& page) { return bold(page) + "(1)"; }

}  // namespace

std::string page_name(const ProgramDescription& program, const std::string& verb) {
  return verb.empty() ? program.name : program.name + "-" + verb;
}

std::string man_page(const ProgramDescription& program) {
  std::string text = head(program.name, brief_of_verb(program.text));
  text += ".SH SYNOPSIS\n" + bold(program.name) + " " + italic("VERB") + " [" + italic("OPTIONS") +
          "] [" + italic("ARGUMENTS") + "]\n";
  text += ".SH DESCRIPTION\n" + roff::paragraphs(program.text);
  text += ".SH VERBS\n";
  for (const VerbDescription& verb : program.verbs) {
    text += fmt::format(".TP\n{}\n{}", reference(page_name(program, verb.name)),
                        roff::paragraphs(brief_of_verb(verb.text) + "."));
  }
  return text + entries("OPTIONS", program.options) + exit_statuses();
}

std::string man_page(const ProgramDescription& program, const VerbDescription& verb) {
  std::string text = head(page_name(program, verb.name), brief_of_verb(verb.text));
  text += synopsis(program.name, verb);
  text += ".SH DESCRIPTION\n" + roff::paragraphs(verb.text + ".");
  text += entries("ARGUMENTS", verb.arguments) + entries("OPTIONS", verb.options);
  std::string lines;
  for (const std::string& line : verb.examples) lines += line + "\n";
  text += ".SH EXAMPLES\n" + roff::example(lines);
  text += ".SH EXIT STATUS\nAs in " + reference(program.name) + ".\n";
  return text + ".SH SEE ALSO\n" + reference(program.name) + "\n";
}

}  // namespace flatkv::cli

// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "man_page.hpp"
#include "nearest.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct ManArguments {
  std::string verb;
  std::string directory;
};

std::string page(const ProgramDescription& program, const std::string& verb) {
  const auto found = std::ranges::find(program.verbs, verb, &VerbDescription::name);
  return found == program.verbs.end() ? man_page(program) : man_page(program, *found);
}

Outcome<void> write_all(const ProgramDescription& program, const std::string& directory) {
  std::vector<std::string> verbs = {""};
  for (const VerbDescription& verb : program.verbs) verbs.push_back(verb.name);
  for (const std::string& verb : verbs) {
    FLATKV_ASSIGN(const auto file,
                  Output::open(fmt::format("{}/{}.1", directory, page_name(program, verb))));
    FLATKV_TRY(file->write(page(program, verb)));
    FLATKV_TRY(file->close());
  }
  return {};
}

Outcome<ExitCode> run(const ManArguments& arguments, const Registry& verbs, Context& context) {
  if (!arguments.verb.empty()) FLATKV_TRY(check_verb(arguments.verb, verbs.names()));
  const ProgramDescription program = verbs.description();
  context.output_is_data = true;
  if (arguments.directory.empty()) {
    FLATKV_TRY(context.out.write(page(program, arguments.verb)));
  } else {
    FLATKV_TRY(write_all(program, arguments.directory));
  }
  return ExitCode::done;
}

}  // namespace

void add_man(Registry& verbs) {
  verbs.add<ManArguments>(
      "man", "Prints the manual page of a verb, or of the program, as man(1) reads it",
      "flatkv man apply | man -l -\n  flatkv man --all /usr/local/share/man/man1",
      [](CLI::App& verb, ManArguments& arguments) {
        auto* name = verb.add_option("VERB", arguments.verb, "The verb (default: the program)")
                         ->check(not_empty());
        verb.add_option("--all", arguments.directory,
                        "Write the page of the program and of every verb into this directory")
            ->type_name("DIR")
            ->check(not_empty())
            ->excludes(name);
      },
      [&verbs](const ManArguments& arguments, Context& context) {
        return run(arguments, verbs, context);
      });
}

}  // namespace flatkv::cli

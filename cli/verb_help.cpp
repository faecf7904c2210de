// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"
#include "nearest.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct HelpArguments {
  std::string verb;
};

}  // namespace

void add_help(Registry& verbs) {
  verbs.add<HelpArguments>(
      "help", "Shows the help of a verb, or the list of verbs", "flatkv help apply",
      [](CLI::App& verb, HelpArguments& arguments) {
        verb.add_option("VERB", arguments.verb, "The verb (default: the list of all)");
      },
      [&verbs](const HelpArguments& arguments, Context& context) -> Outcome<ExitCode> {
        if (!arguments.verb.empty()) FLATKV_TRY(check_verb(arguments.verb, verbs.names()));
        FLATKV_TRY(context.out.write(verbs.help(arguments.verb)));
        return ExitCode::done;
      });
}

}  // namespace flatkv::cli

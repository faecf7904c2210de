// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"
#include "completion.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct CompletionArguments {
  std::string shell;
};

std::string script(const std::string& shell, const ProgramDescription& program) {
  if (shell == "bash") return bash_completion(program);
  if (shell == "zsh") return zsh_completion(program);
  return fish_completion(program);
}

}  // namespace

void add_completion(Registry& verbs) {
  verbs.add<CompletionArguments>(
      "completion",
      "Prints a script that makes a shell complete verbs, options, choices and paths. A package of "
      "FlatKV has it where the shells look for it",
      "source <(flatkv completion bash)\n"
      "  source <(flatkv completion zsh)     # after compinit\n"
      "  flatkv completion fish | source",
      [](CLI::App& verb, CompletionArguments& arguments) {
        verb.add_option("SHELL", arguments.shell, "The shell")
            ->required()
            ->check(CLI::IsMember({"bash", "zsh", "fish"}));
      },
      [&verbs](const CompletionArguments& arguments, Context& context) -> Outcome<ExitCode> {
        context.output_is_data = true;
        FLATKV_TRY(context.out.write(script(arguments.shell, verbs.description())));
        return ExitCode::done;
      });
}

}  // namespace flatkv::cli

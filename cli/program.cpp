// SPDX-License-Identifier: Apache-2.0
#include "program.hpp"

#include <fmt/format.h>
#include <rocksdb/version.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <new>
#include <span>
#include <sstream>
#include <string_view>

#include "base/error.hpp"
#include "build_info.hpp"
#include "description.hpp"
#include "descriptors.hpp"
#include "exit_help.hpp"
#include "info_json.hpp"
#include "kernel_name.hpp"
#include "nearest.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

std::string version_text(bool json) {
  const std::string rocksdb = rocksdb::GetRocksVersionAsString();
  if (json) {
    const nlohmann::ordered_json answer = {{"version", kVersion},
                                           {"commit", kCommit},
                                           {"rocksdb", rocksdb},
                                           {"kernel", kernel_name()}};
    return to_text(answer);
  }
  return fmt::format("flatkv {}\ncommit {}\nRocksDB {}\nkernel {}", kVersion, kCommit, rocksdb,
                     kernel_name());
}

constexpr const char* kAbout =
    "A state commitment store for EVM chains: blocks of writes in, roots out.\n"
    "Every verb has its own --help with an example.";

/// The list of verbs has the first sentence of each; the whole stands in the verb's own help.
class Overview : public CLI::Formatter {
 public:
  std::string make_subcommand(const CLI::App* verb) const override {
    return fmt::format("  {:<16}{}\n", verb->get_name(), brief_of_verb(verb->get_description()));
  }
};

std::string exit_help() {
  std::string text = "Exit status:\n";
  for (const auto& [status, meaning] : kExitHelp) {
    text += fmt::format("  {:<16}{}\n", status, meaning);
  }
  return text + "\n" + kJsonFailures + "\n";
}

/// A guess for errors that come before the arguments are parsed, or while parsing them.
bool asks_for(std::string_view flag, std::span<char*> arguments) {
  for (const std::string_view argument : arguments) {
    if (argument == "--") return false;
    if (argument == flag) return true;
  }
  return false;
}

/// The first argument that is not an option must be a verb.
Outcome<void> check_arguments(std::span<char*> arguments, const Registry& registry) {
  const auto is_word = [](std::string_view argument) { return !argument.starts_with('-'); };
  const auto word = std::ranges::find_if(arguments, is_word);
  if (word != arguments.end()) return check_verb(*word, registry.names());
  for (const char* answered : {"--help", "-h", "--version"}) {
    if (asks_for(answered, arguments)) return {};
  }
  return trouble(ExitCode::usage, "a verb is missing", "`flatkv help` lists the verbs");
}

/// "; did you mean --json?" for an option that the verb does not have.
std::string meant_option(const CLI::App& app, std::span<char*> arguments) {
  const auto verbs = app.get_subcommands();
  if (verbs.empty()) return {};
  std::vector<std::string> names;
  for (const CLI::Option* option : verbs.front()->get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  for (const std::string_view argument : arguments) {
    if (!argument.starts_with("--") || argument == "--") continue;
    const std::string name(argument.substr(0, argument.find('=')));
    if (std::ranges::find(names, name) != names.end()) continue;
    const std::string meant = nearest(name, names);
    return meant.empty() ? "" : "; did you mean " + meant + "?";
  }
  return {};
}

Trouble wrong_use(const CLI::App& app, const CLI::ParseError& error, std::span<char*> arguments) {
  std::string text = error.what();
  while (text.ends_with('\n')) text.pop_back();
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    text += meant_option(app, arguments);
  }
  const auto verbs = app.get_subcommands();
  const std::string verb = verbs.empty() ? "" : " " + verbs.front()->get_name();
  return {ExitCode::usage, text, "`flatkv" + verb + " --help` shows how it is used"};
}

/// Help and version are results; anything else that the parser says is wrong use.
Outcome<ExitCode> parser_exit(const CLI::App& app, const CLI::ParseError& error,
                              std::span<char*> arguments, Output& out) {
  std::ostringstream answer;
  std::ostringstream complaint;
  if (app.exit(error, answer, complaint) != 0) {
    return std::unexpected(wrong_use(app, error, arguments));
  }
  FLATKV_TRY(out.write(answer.str()));
  return ExitCode::done;
}

Outcome<ExitCode> act(const Action& action, Context& context) {
  try {
    FLATKV_TRY(check_kernel());
    return action(context);
  } catch (const std::bad_alloc&) {
    return trouble(ExitCode::failed, "out of memory");
  } catch (const std::exception& exception) {  // of a package that the command uses
    return trouble(ExitCode::failed, exception.what());
  }
}

Outcome<ExitCode> parse_and_act(CLI::App& app, const Registry& registry, int argc, char** argv,
                                Context& context) {
  const std::span<char*> arguments(argv + std::min(argc, 1), argv + argc);
  context.json = asks_for("--json", arguments);
  FLATKV_TRY(check_arguments(arguments, registry));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return parser_exit(app, error, arguments, context.out);
  }
  context.json = registry.common().json;
  context.verbose = registry.common().verbose;
  if (registry.common().no_progress) context.console.no_progress();
  return act(registry.action(), context);
}

/// Says what went wrong: to people, and with --json on standard output, where that still takes it.
ExitCode report(Trouble trouble, Context& context) {
  if (trouble.exit == ExitCode::interrupted) {
    trouble.exit = context.interrupts.exit().value_or(trouble.exit);
  }
  if (trouble.exit == ExitCode::broken_pipe) return trouble.exit;
  context.console.error(trouble);
  if (!context.json || trouble.answered || context.output_is_data || context.out.failed()) {
    return trouble.exit;
  }
  const nlohmann::ordered_json answer = {{"error", to_json(trouble)}};
  auto written = context.out.write(to_text(answer) + "\n");
  if (written) written = context.out.close();
  if (!written) context.console.error(written.error());
  return trouble.exit;
}

ExitCode run(int argc, char** argv) {
  const Interrupts interrupts;
  Console console;
  const auto out = Output::standard();
  CLI::App app(kAbout, "flatkv");
  app.formatter(std::make_shared<Overview>());
  Context context{.console = console, .interrupts = interrupts, .out = *out};
  app.set_version_flag(
      "--version", [&context] { return version_text(context.json); },
      "Version, commit, RocksDB and kernel in use");
  app.require_subcommand(1);
  app.footer(exit_help());
  Registry registry(app);
  add_verbs(registry);
  Outcome<ExitCode> outcome = parse_and_act(app, registry, argc, argv, context);
  console.end_progress();
  if (auto written = out->close(); !written && outcome) {
    outcome = std::unexpected(std::move(written).error());
  }
  return outcome ? *outcome : report(std::move(outcome).error(), context);
}

}  // namespace

int run_program(int argc, char** argv) {
  fill_standard_descriptors();
  raise_descriptor_limit();
  try {
    return static_cast<int>(run(argc, argv));
  } catch (const std::bad_alloc&) {
    // Before the verb, or in what would have said what went wrong with it.
    constexpr std::string_view kNoMemory = "flatkv: error: out of memory\n";
    static_cast<void>(!::write(STDERR_FILENO, kNoMemory.data(), kNoMemory.size()));
    return static_cast<int>(ExitCode::failed);
  }
}

}  // namespace flatkv::cli

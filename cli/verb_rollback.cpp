// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "flatkv/tools/rollback.hpp"
#include "info_json.hpp"
#include "progress.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct RollbackArguments {
  std::string store;
  std::optional<std::int64_t> version;
};

Outcome<ExitCode> run(const RollbackArguments& arguments, Context& context) {
  RollbackOptions options;
  options.log = context.log();
  options.stop = context.interrupts.token();
  Progress progress(context.console, "rollback");
  options.progress = [&progress](std::string_view what, std::uint64_t done, std::uint64_t total) {
    progress.update(what, done, done, total, "blocks");
  };
  FLATKV_TRY(rollback(arguments.store, *arguments.version, options));
  context.console.end_progress();
  if (context.json) {
    const nlohmann::ordered_json answer = {{"version", *arguments.version}};
    FLATKV_TRY(context.out.write(to_text(answer) + "\n"));
  } else {
    FLATKV_TRY(context.out.write(
        fmt::format("{} is at version {}\n", arguments.store, *arguments.version)));
  }
  return ExitCode::done;
}

}  // namespace

void add_rollback(Registry& verbs) {
  verbs.add<RollbackArguments>(
      "rollback",
      "Goes back to an older version; what lies above it is gone for good. Takes milliseconds "
      "where "
      "`flatkv info` says that the blocks can be undone, and a replay from a snapshot otherwise. "
      "Also for a store that does not open",
      "flatkv rollback ./state 15000020",
      [](CLI::App& verb, RollbackArguments& arguments) {
        store_argument(verb, arguments.store);
        version_option(verb, "VERSION", arguments.version, "The version to go back to")->required();
      },
      run);
}

}  // namespace flatkv::cli

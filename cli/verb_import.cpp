// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.hpp"
#include "info_json.hpp"
#include "progress.hpp"
#include "stored.hpp"
#include "trusted.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct ImportArguments {
  std::string file;
  std::string store;
  std::string root;
  bool force = false;
  StoredArguments stored;
};

Outcome<ExitCode> run(const ImportArguments& arguments, Context& context) {
  if (!arguments.stored.from.empty()) {
    // The only argument is the first one.
    if (!arguments.store.empty() || arguments.file.empty()) {
      return trouble(ExitCode::usage, "with --from, STORE is the only argument");
    }
    return import_stored(arguments.stored, arguments.file, arguments.root, arguments.force,
                         context);
  }
  if (arguments.store.empty()) {
    return trouble(ExitCode::usage, "give FILE and STORE, or --from LOCATION and STORE");
  }
  FLATKV_ASSIGN(const TrustedRoots trusted, trusted_roots(arguments.root, context.console));
  FLATKV_ASSIGN(const auto input, StreamInput::open(arguments.file, context.interrupts));
  Progress progress(context.console, "import");
  TransferOptions transfer;
  transfer.stop = context.interrupts.token();
  transfer.progress = [&progress](std::string_view, std::uint64_t rows, std::uint64_t total) {
    progress.update("", rows, rows, total);
  };
  ImportOptions options;
  options.force = arguments.force;
  options.log = context.log();
  const auto imported = import_stream(*input, arguments.store, options, trusted, transfer);
  context.console.end_progress();
  if (!imported) {
    Trouble refused = input->explain(imported.error());
    if (imported.error().code == ErrorCode::invalid_argument) {
      refused.exit = ExitCode::refused;
      refused.advice = "choose another directory, or look at what is in this one";
    }
    return std::unexpected(std::move(refused));
  }
  if (context.json) {
    nlohmann::ordered_json answer = {{"version", imported->version}, {"rows", imported->rows()}};
    answer["roots"] = to_json(imported->roots);
    FLATKV_TRY(context.out.write(to_text(answer) + "\n"));
  } else {
    FLATKV_TRY(context.out.write(fmt::format(
        "{} now holds version {}: {} rows, root {}, in {:.1f} s\n", arguments.store,
        imported->version, imported->rows(), to_hex(imported->roots.root), progress.seconds())));
    if (arguments.root.empty()) {
      context.console.note("compare the roots line with one that you trust: --root");
    }
  }
  return ExitCode::done;
}

}  // namespace

void add_import(Registry& verbs) {
  verbs.add<ImportArguments>(
      "import",
      "Makes a store from an exported state; everything is checked before anything is replaced",
      "flatkv import state.flatkv.zst ./state --root roots.json\n"
      "flatkv import --from s3://snapshots/mainnet ./state --root roots.json",
      [](CLI::App& verb, ImportArguments& arguments) {
        verb.add_option("FILE", arguments.file,
                        "The stream: `-` is standard input; left out with --from")
            ->check(not_empty());
        verb.add_option("STORE", arguments.store, "Directory of the store")->check(not_empty());
        stored_arguments(verb, arguments.stored);
        root_option(verb, arguments.root);
        verb.add_flag("--force", arguments.force,
                      "Replace the store that is there; it stands until the import is complete");
      },
      run);
}

}  // namespace flatkv::cli

// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.hpp"
#include "cache_option.hpp"
#include "flatkv/tools/sei_log.hpp"
#include "info_json.hpp"
#include "progress.hpp"
#include "strict.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct ImportLogArguments {
  std::string directory;
  std::string store;
  bool create = false;
  bool balances = false;
  StrictArguments strict;
  std::uint64_t cache = CacheOptions::kAutomatic;
};

/// Exit code and advice for an error of the node's log.
Trouble of_log(const Error& error) {
  Trouble trouble(error);
  switch (error.code) {
    case ErrorCode::not_found:
      trouble.advice = "check the path: DIR is the directory with the node's log segments";
      break;
    case ErrorCode::corruption:
    case ErrorCode::log_gap:
      trouble.advice = "get the node's log again, whole from version 1; nothing was changed";
      break;
    case ErrorCode::invalid_argument:
      trouble.exit = ExitCode::refused;  // the log is at fault, not how it was asked for
      trouble.advice = "allow what is meant (--allow-legacy, --allow-module); nothing was changed";
      break;
    case ErrorCode::cancelled:
      trouble.advice = kGoesOn;
      break;
    default:
      break;
  }
  return trouble;
}

Outcome<ExitCode> run(const ImportLogArguments& arguments, Context& context) {
  Options options;
  options.cache.row_cache_bytes = arguments.cache;
  options.log = context.log();
  // The node's log is kept: blocks that a power cut loses are imported from it again.
  options.durability = Durability::process;
  Progress progress(context.console, "import-log");
  SeiLogOptions log;
  log.balances = arguments.balances;
  log.strict = arguments.strict.strict;
  log.strict_exceptions = arguments.strict.exceptions();
  log.stop = context.interrupts.token();
  log.progress = [&progress](std::string_view step, std::uint64_t version, std::uint64_t last) {
    progress.update(step, version, version, last);
  };
  // Create the store only after the whole log has been checked.
  auto opened = CommitStore::open(arguments.store, options);
  options.create_if_missing =
      arguments.create && !opened && opened.error().code == ErrorCode::not_found;
  if (!opened && !options.create_if_missing) return std::unexpected(Trouble(opened.error()));
  auto checked = check_sei_log(arguments.directory, log);
  if (!checked) return std::unexpected(of_log(checked.error()));
  if (!opened) opened = CommitStore::open(arguments.store, options);
  if (!opened) return std::unexpected(Trouble(opened.error()));
  CommitStore& store = *opened;
  auto report = import_sei_log(arguments.directory, *checked, store, log);
  context.console.end_progress();
  const std::int64_t version = store.version();
  const Roots roots = store.committed_roots();
  const Status closed = store.close();
  if (!report) {
    Trouble why(report.error());
    if (report.error().code == ErrorCode::cancelled) why.advice = kGoesOn;
    return std::unexpected(std::move(why));
  }
  FLATKV_TRY(closed);
  if (report->torn) context.console.warning("the log ends inside an entry: " + *report->torn);
  if (context.json) {
    nlohmann::ordered_json answer = {{"version", version},
                                     {"committed", report->committed},
                                     {"held", report->held},
                                     {"skipped_sets", report->skipped_sets},
                                     {"skipped_pairs", report->skipped_pairs}};
    answer["roots"] = to_json(roots);
    FLATKV_TRY(context.out.write(to_text(answer) + "\n"));
  } else {
    FLATKV_TRY(context.out.write(fmt::format(
        "version {}: {} blocks committed, {} held, {} empty sets and {} pairs without a key "
        "skipped; root {}\n",
        version, report->committed, report->held, report->skipped_sets, report->skipped_pairs,
        to_hex(roots.root))));
  }
  return ExitCode::done;
}

}  // namespace

void add_import_log(Registry& verbs) {
  verbs.add<ImportLogArguments>(
      "import-log",
      "Replays the log directory of a Sei FlatKV node; the whole log is checked before the first "
      "block is committed",
      "flatkv import-log ./sei/changelog ./state --create",
      [](CLI::App& verb, ImportLogArguments& arguments) {
        verb.add_option("DIR", arguments.directory, "The log's directory")->required();
        store_argument(verb, arguments.store);
        verb.add_flag("--create", arguments.create, "Create the store if there is none");
        verb.add_flag("--balances", arguments.balances,
                      "Treat 21-byte keys that begin with 0x21 as balances: the roots will differ "
                      "from the node's own");
        strict_options(verb, arguments.strict);
        cache_option(verb, arguments.cache);
      },
      run);
}

}  // namespace flatkv::cli

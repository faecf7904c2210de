// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "flatkv/tools/repair.hpp"
#include "info_json.hpp"
#include "progress.hpp"
#include "trusted.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct RepairArguments {
  std::string store;
  std::vector<std::string> databases;
  std::string from;
};

std::string_view name_of(RepairSource source) {
  switch (source) {
    case RepairSource::snapshot:
      return "snapshot";
    case RepairSource::stream:
      return "stream";
    case RepairSource::local_meta:
      return "local_meta";
    case RepairSource::none:
      break;
  }
  return "none";
}

nlohmann::ordered_json to_json(const RepairReport& report) {
  nlohmann::ordered_json json = {{"database", to_string(report.database)},
                                 {"repaired", report.repaired()},
                                 {"version", report.version},
                                 {"checksum", to_hex(report.checksum)}};
  if (report.damage) json["damage"] = cli::to_json(*report.damage);
  if (report.refusal) json["refusal"] = cli::to_json(*report.refusal);
  if (!report.repaired()) return json;
  json["source"] = name_of(report.source);
  if (report.source != RepairSource::local_meta) json["source_version"] = report.source_version;
  json["kept_snapshots"] = report.kept_snapshots;
  json["dropped_snapshots"] = report.dropped_snapshots;
  return json;
}

std::string versions(const std::vector<std::int64_t>& all) {
  return all.empty() ? "none" : fmt::format("{}", fmt::join(all, ", "));
}

/// A snapshot dropped for sharing the damage may have been replaced by one of the repaired state.
std::string snapshots_text(const RepairReport& report) {
  std::vector<std::int64_t> kept;
  std::string made_anew;
  for (const std::int64_t version : report.kept_snapshots) {
    if (std::ranges::find(report.dropped_snapshots, version) == report.dropped_snapshots.end()) {
      kept.push_back(version);
    } else {
      made_anew = fmt::format("; made anew {}", version);
    }
  }
  return fmt::format("kept {}{}; gone, for sharing the damage: {}", versions(kept), made_anew,
                     versions(report.dropped_snapshots));
}

std::string source_text(const RepairReport& report) {
  switch (report.source) {
    case RepairSource::snapshot:
      return fmt::format("the snapshot at version {} and the log", report.source_version);
    case RepairSource::stream:
      return fmt::format("the stream of version {} and the log", report.source_version);
    case RepairSource::local_meta:
    case RepairSource::none:
      break;
  }
  return "what the four others say of themselves, as the log has it";
}

std::string for_people(const RepairReport& report, double seconds) {
  const std::string_view checksum = report.database == Database::metadata ? "root" : "checksum";
  if (!report.repaired()) {
    return fmt::format("{} verifies at version {}: {} {}; nothing was changed, in {:.1f} s\n",
                       to_string(report.database), report.version, checksum,
                       to_hex(report.checksum), seconds);
  }
  return fmt::format(
      "{} was damaged: {}\n"
      "  rebuilt from  {}\n"
      "  proven at     version {}, {} {}\n"
      "  snapshots     {}\n"
      "  in            {:.1f} s\n",
      to_string(report.database), report.damage->to_string(), source_text(report), report.version,
      checksum, to_hex(report.checksum), snapshots_text(report), seconds);
}

/// One object for one database; for several, an array of them under "databases".
std::string json_text(const std::vector<RepairReport>& reports) {
  if (reports.size() == 1) return to_text(to_json(reports.front())) + "\n";
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const RepairReport& report : reports) all.push_back(to_json(report));
  return to_text(nlohmann::ordered_json({{"databases", all}})) + "\n";
}

Outcome<ExitCode> answer(const std::vector<RepairReport>& reports, double seconds,
                         const std::string& store, Context& context) {
  if (context.json) {
    FLATKV_TRY(context.out.write(json_text(reports)));
  } else {
    for (const RepairReport& report : reports) {
      FLATKV_TRY(context.out.write(for_people(report, seconds)));
    }
  }
  const RepairReport& first = reports.front();
  if (!first.refusal) return ExitCode::done;
  FLATKV_TRY(context.out.flush());
  std::vector<std::string_view> names;
  for (const RepairReport& report : reports) names.push_back(to_string(report.database));
  Trouble refused(
      ExitCode::refused,
      fmt::format("{} {} right, but the store does not open: {}", fmt::join(names, ", "),
                  names.size() == 1 ? "is" : "are", first.refusal->to_string()),
      "`flatkv info " + store + "` says which commands could help");
  refused.answered = true;
  return std::unexpected(std::move(refused));
}

Outcome<ExitCode> run(const RepairArguments& arguments, Context& context) {
  std::unique_ptr<StreamInput> stream;
  if (!arguments.from.empty()) {
    FLATKV_ASSIGN(stream, StreamInput::open(arguments.from, context.interrupts));
  }
  Progress progress(context.console, "repair");
  RepairOptions options;
  options.stream = stream.get();
  options.stop = context.interrupts.token();
  options.log = context.log();
  options.progress = [&progress](std::string_view what, std::uint64_t done, std::uint64_t total) {
    progress.update(what, done, done, total);
  };
  std::vector<Database> databases;
  for (const std::string& name : arguments.databases) databases.push_back(database_named(name));
  const auto repaired = repair_databases(arguments.store, databases, options);
  context.console.end_progress();
  if (!repaired) {
    return std::unexpected(stream ? stream->explain(repaired.error()) : Trouble(repaired.error()));
  }
  return answer(*repaired, progress.seconds(), arguments.store, context);
}

}  // namespace

void add_repair(Registry& verbs) {
  verbs.add<RepairArguments>(
      "repair",
      "Rebuilds a damaged database of a store that nobody has open, and proves it by its hash.\n"
      "\n"
      "`flatkv verify STORE` names the database that differs; `flatkv info STORE` says why a store "
      "does not open. The database is rebuilt from the newest snapshot in which it still verifies, "
      "or from an exported state (--from), and the log; every block's checksum is compared on the "
      "way. The other databases are carried over as they are. All of it is built beside the live "
      "state and swapped in whole, so it can be interrupted and run again. Snapshots in which the "
      "database does not verify go, and one of the repaired state is added.\n"
      "\n"
      "Snapshots are hard links: where all of them share the damaged file, repair says so, changes "
      "nothing and exits 3; then an export of another node helps. A database that verifies is left "
      "alone. Where several are damaged, give --db for each: they are rebuilt in one run, "
      "since a repair relies on the databases that it does not rebuild. `metadata` is rebuilt from "
      "what the four others say of themselves, where the log or a snapshot confirms each. Keep a "
      "copy of the store first",
      "flatkv repair ./state --db storage\n"
      "  flatkv repair ./state --db storage --from other-node.flatkv.zst\n"
      "  flatkv repair ./state --db account --db storage\n"
      "  flatkv repair ./state --db metadata",
      [](CLI::App& verb, RepairArguments& arguments) {
        store_argument(verb, arguments.store);
        verb.add_option("--db", arguments.databases,
                        "The damaged one: account, code, storage, legacy or metadata; may be "
                        "repeated")
            ->type_name("DB")
            ->expected(1)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
            ->check(CLI::IsMember({"account", "code", "storage", "legacy", "metadata"}))
            ->required();
        verb.add_option("--from", arguments.from,
                        "An exported state of the same chain to take the rows from, at a version "
                        "from which this store's log leads on; `-` is standard input (default: the "
                        "newest snapshot in which the database verifies)")
            ->type_name("STREAM")
            ->check(not_empty());
      },
      run);
}

}  // namespace flatkv::cli

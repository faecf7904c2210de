// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.hpp"
#include "info_json.hpp"
#include "process_memory.hpp"
#include "progress.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct InfoOptions {
  std::string store;
};

std::string version_text(const std::optional<std::int64_t>& version) {
  return version ? std::to_string(*version) : "unknown";
}

std::string databases_text(const StoreInfo& info) {
  std::string text = info.databases_from_snapshot
                         ? "databases        (a writer has the store: figures of the newest "
                           "snapshot)\n"
                         : "databases\n";
  for (const auto& database : info.databases) {
    text += fmt::format("  {:<9} flushed at {:>10}  ", to_string(database.database),
                        version_text(database.version));
    if (database.database != Database::metadata) {
      text += fmt::format("{:>12} rows {:>10} keys {:>10} values ", database.stats.rows,
                          human_bytes(database.stats.key_bytes),
                          human_bytes(database.stats.value_bytes));
    }
    text += fmt::format("{:>10} on disk\n", human_bytes(database.bytes));
    if (database.problem) text += "    " + database.problem->to_string() + "\n";
  }
  return text;
}

std::string scrub_text(const ScrubProgress& scrub) {
  std::string text = fmt::format("scrub            round {}, {} rows of {} done at version {}\n",
                                 scrub.round, scrub.rows, to_string(scrub.database), scrub.version);
  for (const Database database :
       {Database::account, Database::code, Database::storage, Database::legacy}) {
    const auto& verdict = scrub.verdicts[database];
    if (!verdict) continue;
    text += fmt::format("  {:<9} {} at version {}, round {}\n", to_string(database),
                        verdict->good ? "good" : "NOT GOOD", verdict->version, verdict->round);
  }
  return text;
}

std::string state_text(const StoreInfo& info) {
  if (!info.locked) return info.clean ? "closed cleanly" : "not closed cleanly";
  if (!info.holder) return "open in a process";
  std::string text = fmt::format("open in process {} on {} since {}", info.holder->pid,
                                 info.holder->host, info.holder->since);
  if (const auto memory = resident_memory(*info.holder)) {
    text += fmt::format(", which takes {} of memory", human_bytes(*memory));
  }
  return text;
}

/// The versions that --at, export and rollback can reach: the log may hold blocks that no snapshot
/// leads to.
std::string reach_text(const StoreInfo& info) {
  if (info.reachable.empty()) return "no version";
  std::string text = "versions ";
  for (const VersionRange& range : info.reachable) {
    if (!text.ends_with("versions ")) text += ", ";
    text += std::to_string(range.first);
    if (range.last != range.first) text += fmt::format(" to {}", range.last);
  }
  return text + " (--at, export, rollback)";
}

/// What a store may use on this machine, whatever the store.
std::string host_text(const HostLimits& host) {
  std::string text =
      fmt::format("memory           {} here ({}), of which {} for the row cache\n",
                  human_bytes(host.memory), host.memory_from, human_bytes(host.row_cache));
  text += fmt::format("threads          {} ({})\n", host.cores, host.cores_from);
  text += fmt::format("open files       {} at most\n", host.descriptors);
  return text;
}

std::string for_people(const StoreInfo& info, const HostLimits& host) {
  if (info.generation.empty()) return "generation       none that is complete\n";
  std::string text = fmt::format("generation       {}, format {}, store {}\n", info.generation,
                                 info.format, info.store_id);
  text += fmt::format("account rows     {}\n",
                      info.account_rows == AccountRows::keep ? "keep" : "prune_empty");
  text += fmt::format("first version    {}\n", info.initial_version);
  text += fmt::format("committed        {}\n", version_text(info.version));
  if (info.roots) text += "root             " + to_hex(info.roots->root) + "\n";
  text += "state            " + state_text(info) + "\n";
  text += fmt::format("on disk          {}\n", human_bytes(info.bytes));
  text += databases_text(info);
  text += "reachable        " + reach_text(info) + "\n";
  if (info.undo_floor && *info.undo_floor < *info.version) {
    text += fmt::format("undoable         the last {} blocks, down to {}\n",
                        *info.version - *info.undo_floor, *info.undo_floor);
  }
  if (info.log && info.log->last > info.log->base) {
    text += fmt::format("log              blocks {} to {}, {}\n", info.log->base + 1,
                        info.log->last, human_bytes(info.log->bytes));
  } else if (info.log) {
    text += fmt::format("log              empty, base {}, {}\n", info.log->base,
                        human_bytes(info.log->bytes));
  }
  if (info.log_problem) text += "  " + info.log_problem->to_string() + "\n";
  text += fmt::format("snapshots        {}\n", info.snapshots.size());
  for (const auto& snapshot : info.snapshots) {
    text += fmt::format("  {:>12}  {}\n", snapshot.version,
                        snapshot.problem ? "not valid: " + snapshot.problem->to_string()
                                         : human_bytes(snapshot.bytes));
  }
  if (info.scrub) text += scrub_text(*info.scrub);
  return text + host_text(host);
}

std::string json_text(const StoreInfo& info, const HostLimits& host) {
  auto json = to_json(info);
  json["host"] = to_json(host);
  if (info.holder) {
    const auto memory = resident_memory(*info.holder);
    json["holder"]["resident_bytes"] = memory ? nlohmann::ordered_json(*memory) : nullptr;
  }
  return to_text(json) + "\n";
}

Outcome<ExitCode> run(const InfoOptions& options, Context& context) {
  FLATKV_ASSIGN(const StoreInfo info, inspect_store(options.store));
  FLATKV_ASSIGN(const HostLimits host, host_limits());
  FLATKV_TRY(context.out.write(context.json ? json_text(info, host) : for_people(info, host)));
  for (const std::string& note : info.notes) context.console.note("an open would repair: " + note);
  if (info.log_problem) {
    context.console.warning(
        "the store opens, but a part of its history is lost: " + info.log_problem->message +
        "; a new snapshot, or an export, keeps what the store holds now");
  }
  if (info.problems.empty()) return ExitCode::done;
  FLATKV_TRY(context.out.flush());
  for (const Error& problem : info.problems) {
    context.console.error({ExitCode::refused, problem.to_string()});
  }
  for (const std::string& remedy : info.remedies) context.console.note("could help: " + remedy);
  return ExitCode::refused;
}

}  // namespace

void add_info(Registry& verbs) {
  verbs.add<InfoOptions>(
      "info",
      "Shows what a store is and where it stands; of one that does not open: what was found, what "
      "was expected and which commands could help (exit 3)",
      "flatkv info ./state --json",
      [](CLI::App& verb, InfoOptions& options) { store_argument(verb, options.store); }, run);
}

}  // namespace flatkv::cli

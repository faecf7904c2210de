// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.hpp"
#include "info_json.hpp"
#include "progress.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct SnapshotsOptions {
  std::string store;
};

std::string for_people(const SnapshotInfo& snapshot) {
  std::uint64_t rows = 0;
  for (const DatabaseStats& stats : snapshot.stats) rows += stats.rows;
  std::string line = fmt::format("{:>12}  ", snapshot.version);
  if (snapshot.problem) return line + "not valid: " + snapshot.problem->to_string() + "\n";
  line += fmt::format("{:>14} rows  {:>10}", rows, human_bytes(snapshot.bytes));
  if (snapshot.roots) line += "  root " + to_hex(snapshot.roots->root);
  return line + "\n";
}

Outcome<ExitCode> run(const SnapshotsOptions& options, Context& context) {
  FLATKV_ASSIGN(const auto snapshots, list_snapshots(options.store));
  for (const SnapshotInfo& snapshot : snapshots) {
    FLATKV_TRY(
        context.out.write(context.json ? to_text(to_json(snapshot)) + "\n" : for_people(snapshot)));
  }
  if (snapshots.empty()) context.console.note("no snapshots");
  return ExitCode::done;
}

}  // namespace

void add_snapshots(Registry& verbs) {
  verbs.add<SnapshotsOptions>(
      "snapshots", "Lists the snapshots, oldest first", "flatkv snapshots ./state --json",
      [](CLI::App& verb, SnapshotsOptions& options) { store_argument(verb, options.store); }, run);
}

}  // namespace flatkv::cli

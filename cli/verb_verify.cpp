// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.hpp"
#include "clone.hpp"
#include "info_json.hpp"
#include "parts.hpp"
#include "progress.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct VerifyArguments {
  ReadFrom from;
  std::uint64_t rate = 0;
  std::string database;
  SpreadArguments spread;
};

nlohmann::ordered_json to_json(const DatabaseVerdict& verdict) {
  nlohmann::ordered_json json = {{"good", verdict.good()}, {"expected", to_hex(verdict.expected)}};
  json["expected_stats"] = cli::to_json(verdict.expected_stats);
  if (verdict.error) {
    json["error"] = cli::to_json(*verdict.error);
    return json;
  }
  json["found"] = to_hex(verdict.found);
  json["found_stats"] = cli::to_json(verdict.found_stats);
  return json;
}

/// Whether the report covers the root: only a scan of all four databases does.
bool is_whole(const VerifyReport& report) { return report.databases.size() == 4; }

nlohmann::ordered_json to_json(const VerifyReport& report, const std::optional<Error>& problem) {
  nlohmann::ordered_json json = {
      {"version", report.version}, {"good", report.good()}, {"proved", "snapshot and log"}};
  if (is_whole(report)) {
    json["sum_good"] = report.sum_good;
    json["roots"] = cli::to_json(report.roots);
  }
  if (problem) json["working_copy"] = cli::to_json(*problem);
  json["databases"] = nlohmann::ordered_json::object();
  for (const auto& verdict : report.databases) {
    json["databases"][std::string(to_string(verdict.database))] = to_json(verdict);
  }
  return json;
}

/// `from` says what was scanned, and `took` how long that was.
std::string for_people(const VerifyReport& report, std::string_view from, const std::string& took) {
  std::string text = fmt::format("version {}: {}\n", report.version, from);
  std::uint64_t rows = 0;
  for (const DatabaseVerdict& verdict : report.databases) {
    if (verdict.error) {
      text += fmt::format("  {:<9} CANNOT BE READ\n    {}\n", to_string(verdict.database),
                          verdict.error->to_string());
      continue;
    }
    rows += verdict.found_stats.rows;
    text += fmt::format("  {:<9} {:>12} rows  {}  {}\n", to_string(verdict.database),
                        verdict.found_stats.rows, to_hex(verdict.found),
                        verdict.good() ? "good" : "DIFFERS");
    if (verdict.expected != verdict.found) {
      text += fmt::format("    hash expected {}\n", to_hex(verdict.expected));
    }
    if (verdict.expected_stats != verdict.found_stats) {
      const auto& want = verdict.expected_stats;
      const auto& got = verdict.found_stats;
      text += fmt::format("    expected {} rows, {} key bytes, {} value bytes; found {}, {}, {}\n",
                          want.rows, want.key_bytes, want.value_bytes, got.rows, got.key_bytes,
                          got.value_bytes);
    }
  }
  if (!is_whole(report)) {
    return text + fmt::format("  {}the root was not proved: that takes all four\n",
                              took.empty() ? "" : took + "; ");
  }
  if (!report.sum_good) text += "  the four hashes do not add up to the root\n";
  text += fmt::format("  root      {:>12} rows  {}  {}{}\n", rows, to_hex(report.roots.root),
                      report.good() ? "good" : "DIFFERS", took.empty() ? "" : "  " + took);
  return text;
}

Trouble differs(const VerifyReport& report, const std::string& store) {
  std::string names;
  std::string repairs;
  for (const DatabaseVerdict& verdict : report.databases) {
    if (verdict.good()) continue;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", to_string(verdict.database));
    repairs += fmt::format("{}`flatkv repair {} --db {}`", repairs.empty() ? "" : ", ", store,
                           to_string(verdict.database));
  }
  if (!report.sum_good) {
    names += names.empty() ? "the sum of the hashes" : ", the sum of the hashes";
    if (repairs.empty()) repairs = fmt::format("`flatkv repair {} --db metadata`", store);
  }
  return {ExitCode::no, fmt::format("version {} does not verify: {}", report.version, names),
          fmt::format("keep a copy of the store, then {}", repairs)};
}

/// Snapshot and log verify, but the working copy is unusable.
Trouble unusable(const Error& problem) {
  return {ExitCode::no, "the working copy does not verify: " + problem.to_string(),
          "snapshot and log are right: keep a copy of the store, find out what damaged it, then "
          "open it for writing (`flatkv snapshot STORE` does), which rebuilds the working copy"};
}

/// A database that cannot even be read to its end.
Trouble unreadable(const Error& error, const std::string& store) {
  Trouble refused(error);
  if (error.code == ErrorCode::corruption && error.database) {
    refused.advice = fmt::format("keep a copy of the store, then `flatkv repair {} --db {}`", store,
                                 to_string(*error.database));
  }
  return refused;
}

/// Of all parts. A problem of a working copy was told with the part that met it.
Outcome<ExitCode> merge(const VerifyArguments& arguments, Context& context) {
  FLATKV_ASSIGN(const auto parts, parts_from(arguments.spread, context));
  FLATKV_ASSIGN(const VerifyReport report, merge_verify(parts));
  const std::string from = fmt::format("full scan in {} parts", parts.size());
  FLATKV_TRY(context.out.write(context.json ? to_text(to_json(report, std::nullopt)) + "\n"
                                            : for_people(report, from, {})));
  if (report.good()) return ExitCode::done;
  FLATKV_TRY(context.out.flush());
  Trouble no = differs(report, "STORE");
  no.answered = true;
  return std::unexpected(std::move(no));
}

Outcome<ExitCode> run(const VerifyArguments& arguments, Context& context) {
  FLATKV_ASSIGN(const auto part, part_of(arguments.spread, arguments.from.store));
  if (!arguments.spread.merge.empty()) return merge(arguments, context);
  if (!part && !arguments.spread.out.empty()) {
    return trouble(ExitCode::usage, "--out is for the file of a part, with --part");
  }
  FLATKV_ASSIGN(const ReadOnlyStore store, open_clone(arguments.from, context));
  Progress progress(context.console, "verify");
  VerifyOptions options;
  options.rows_per_second = arguments.rate;
  options.stop = context.interrupts.token();
  if (!arguments.database.empty()) options.database = database_named(arguments.database);
  options.progress = [&progress](std::string_view, std::uint64_t rows, std::uint64_t total) {
    progress.update("", rows, rows, total);
  };
  const std::optional<Error>& problem = store.working_copy_problem();
  const bool live_is_bad = problem && !arguments.from.at;
  if (part) {
    FLATKV_ASSIGN(const PartScan scan, verify_part(store.view(), *part, options));
    context.console.end_progress();
    FLATKV_TRY(write_part(scan, arguments.spread.out, progress.seconds(), context));
    if (!live_is_bad) return ExitCode::done;
    FLATKV_TRY(context.out.flush());
    Trouble no = unusable(*problem);
    no.answered = true;
    return std::unexpected(std::move(no));
  }
  const auto verified = store.verify(options);
  context.console.end_progress();
  if (!verified) return std::unexpected(unreadable(verified.error(), arguments.from.store));
  const VerifyReport& report = *verified;
  const std::string from = "full scan of a private copy, which proves snapshot and log";
  const std::string took = fmt::format("in {:.1f} s", progress.seconds());
  FLATKV_TRY(context.out.write(context.json ? to_text(to_json(report, problem)) + "\n"
                                            : for_people(report, from, took)));
  if (report.good() && !live_is_bad) return ExitCode::done;
  FLATKV_TRY(context.out.flush());
  Trouble no = report.good() ? unusable(*problem) : differs(report, arguments.from.store);
  no.answered = true;
  return std::unexpected(std::move(no));
}

}  // namespace

void add_verify(Registry& verbs) {
  verbs.add<VerifyArguments>(
      "verify",
      "Hashes every row again and compares with the hashes that commits maintain; exit 1 names the "
      "databases that differ, or says that the working copy is unusable and only a snapshot and "
      "the log were proven (with --at, which asks for that version and not for the live copy, a "
      "warning)",
      "flatkv verify ./state --rate 200000\n  flatkv verify ./state --part 1/2 --out part-1\n  "
      "flatkv verify --merge part-1 part-2",
      [](CLI::App& verb, VerifyArguments& arguments) {
        read_arguments(verb, arguments.from);
        verb.add_option("--rate", arguments.rate, "At most this many rows a second; 0 is no limit")
            ->type_name("ROWS_PER_S")
            ->check(whole_number())
            ->capture_default_str();
        database_option(verb, arguments.database,
                        "Only this database: account, code, storage or legacy (default: all)");
        spread_options(verb, arguments.spread);
        verb.add_option("--out", arguments.spread.out,
                        "File for the scan of a part: `-` is standard output, `.zst` compresses")
            ->type_name("FILE")
            ->check(not_empty());
      },
      run);
}

}  // namespace flatkv::cli

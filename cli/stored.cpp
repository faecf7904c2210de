// SPDX-License-Identifier: Apache-2.0
#include "stored.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "info_json.hpp"
#include "progress.hpp"
#include "trusted.hpp"

namespace flatkv::cli {
namespace {

using nlohmann::ordered_json;

PartsOptions options_of(const PartsArguments& arguments, Progress& progress,
                        const Context& context) {
  PartsOptions options;
  options.parallel = arguments.parallel;
  options.stall_seconds = arguments.timeout;
  options.stop = context.interrupts.token();
  options.progress = [&progress](std::string_view, std::uint64_t rows, std::uint64_t total) {
    progress.update("", rows, rows, total);
  };
  return options;
}

/// The advice for a store would lead astray: what went wrong is elsewhere.
Trouble explained(const Error& error, const std::string& corrupt) {
  Trouble trouble(error);
  switch (error.code) {
    case ErrorCode::corruption:
      trouble.advice = corrupt;
      break;
    case ErrorCode::version_mismatch:
      trouble.advice = "give the roots line of the snapshot's version";
      break;
    case ErrorCode::not_found:
      trouble.advice = "look whether bucket, prefix and version are the ones meant";
      break;
    case ErrorCode::foreign_store:
      trouble.advice = "give each chain, and each branch, a prefix of its own";
      break;
    case ErrorCode::io:
      trouble.advice =
          "see whether the service is up and can be reached, then run this again: "
          "what was moved before is not moved again";
      break;
    case ErrorCode::permission:
      trouble.advice = "see whether the keys are those of this service and may do this there";
      break;
    case ErrorCode::cancelled:
      trouble.advice = kGoesOn;
      break;
    default:
      break;
  }
  return trouble;
}

constexpr const char* kOtherSnapshot =
    "take another snapshot (--at N), or export this one again from a node that you trust";

ordered_json to_json(const StoredSnapshot& snapshot) {
  ordered_json json = {{"version", snapshot.version},
                       {"location", snapshot.location},
                       {"rows", snapshot.rows},
                       {"parts", snapshot.parts},
                       {"bytes", snapshot.bytes}};
  json["roots"] = cli::to_json(snapshot.roots);
  return json;
}

void add_work(ordered_json& json, const PartsWork& work, double seconds) {
  json["moved_parts"] = work.moved_parts;
  json["moved_bytes"] = work.moved_bytes;
  json["seconds"] = seconds;
  json["thread_seconds"] = {{"transfer", work.transfer_seconds},
                            {"check", work.check_seconds},
                            {"tables", work.tables_seconds},
                            {"finish", work.finish_seconds}};
}

}  // namespace

void parts_arguments(CLI::App& verb, CLI::Option* location, PartsArguments& arguments) {
  verb.add_option(
          "--parallel", arguments.parallel,
          "Parts on their way at once, each with a thread and some 64 MiB of memory (default: "
          "two more than there are cores)")
      ->type_name("N")
      ->check(whole_number(1, 64))
      ->needs(location);
  verb.add_option("--timeout", arguments.timeout,
                  "Begin a transfer again that does not move for so long")
      ->type_name("SECONDS")
      ->check(whole_number(1, 3600))
      ->capture_default_str()
      ->needs(location);
}

CLI::Option* stored_arguments(CLI::App& verb, StoredArguments& arguments) {
  CLI::Option* const from =
      verb.add_option("--from", arguments.from,
                      "A snapshot in object storage instead of a stream: s3://BUCKET/PREFIX, "
                      "file:DIRECTORY or http(s)://…; the keys of S3 come from the environment "
                      "(AWS_ACCESS_KEY_ID, …) or ~/.aws/credentials")
          ->type_name("LOCATION")
          ->check(not_empty());
  version_option(verb, "--at", arguments.at, "The snapshot of that version (default: the newest)")
      ->needs(from);
  parts_arguments(verb, from, arguments.parts);
  return from;
}

Outcome<ExitCode> export_stored(const ReadFrom& from, const std::string& to, std::uint32_t keep,
                                const PartsArguments& parts, Context& context) {
  constexpr std::string_view kFile = "file:";
  if (to.starts_with(kFile)) FLATKV_TRY(outside_of_stores(to.substr(kFile.size()) + "/snapshot"));
  FLATKV_ASSIGN(const ReadOnlyStore store, open_clone(from, context));
  Progress progress(context.console, "export");
  const auto done = export_snapshot(store.view(), to, keep, options_of(parts, progress, context));
  context.console.end_progress();
  if (!done) {
    return std::unexpected(
        explained(done.error(), "`flatkv verify STORE` says whether it is the store"));
  }
  if (context.json) {
    ordered_json answer = to_json(done->snapshot);
    add_work(answer, done->work, progress.seconds());
    answer["removed"] = done->removed;
    FLATKV_TRY(context.out.write(to_text(answer) + "\n"));
    return ExitCode::done;
  }
  FLATKV_TRY(context.out.write(
      fmt::format("version {} with root {} is at {}\n  {} parts, {}; {} of them sent in {:.1f} s\n",
                  done->snapshot.version, to_hex(done->snapshot.roots.root),
                  done->snapshot.location, done->snapshot.parts, human_bytes(done->snapshot.bytes),
                  done->work.moved_parts, progress.seconds())));
  if (!done->removed.empty()) {
    FLATKV_TRY(
        context.out.write(fmt::format("  removed: versions {}\n", fmt::join(done->removed, ", "))));
  }
  return ExitCode::done;
}

Outcome<ExitCode> check_stored(const StoredArguments& stored, std::optional<std::uint64_t> part,
                               const std::string& root, Context& context) {
  FLATKV_ASSIGN(const TrustedRoots trusted, trusted_roots(root, context.console));
  Progress progress(context.console, "check");
  const auto checked = check_stored_snapshot({stored.from, stored.at}, part, trusted,
                                             options_of(stored.parts, progress, context));
  context.console.end_progress();
  if (!checked) {
    Trouble refused = explained(checked.error(), kOtherSnapshot);
    // The question is whether the snapshot is right, so a bad one is the answer no.
    const ErrorCode code = checked.error().code;
    if (code == ErrorCode::corruption || code == ErrorCode::version_mismatch) {
      refused.exit = ExitCode::no;
    }
    return std::unexpected(std::move(refused));
  }
  if (context.json) {
    ordered_json answer = to_json(*checked);
    if (part) answer["part"] = *part;
    FLATKV_TRY(context.out.write(to_text(answer) + "\n"));
    return ExitCode::done;
  }
  const std::string what = part ? fmt::format("part {} of {}", *part, checked->parts)
                                : fmt::format("{} rows in {} parts", checked->rows, checked->parts);
  FLATKV_TRY(
      context.out.write(fmt::format("version {}: {}, root {}, in {:.1f} s\n", checked->version,
                                    what, to_hex(checked->roots.root), progress.seconds())));
  if (root.empty()) context.console.note("compare the root with one that you trust: --root");
  return ExitCode::done;
}

Outcome<ExitCode> import_stored(const StoredArguments& stored, const std::string& store,
                                const std::string& root, bool force, Context& context) {
  FLATKV_ASSIGN(const TrustedRoots trusted, trusted_roots(root, context.console));
  Progress progress(context.console, "import");
  ImportOptions import;
  import.force = force;
  import.log = context.log();
  const auto done = import_stored_snapshot({stored.from, stored.at}, store, import, trusted,
                                           options_of(stored.parts, progress, context));
  context.console.end_progress();
  if (!done) {
    Trouble refused = explained(done.error(), kOtherSnapshot);
    // What is wrong with the location names no path: that is wrong use.
    if (done.error().code == ErrorCode::invalid_argument && !done.error().path.empty()) {
      refused.exit = ExitCode::refused;
      refused.advice = "choose another directory, or look at what is in this one";
    }
    return std::unexpected(std::move(refused));
  }
  const StoredSnapshot& snapshot = done->snapshot;
  const PartsWork& work = done->work;
  if (context.json) {
    ordered_json answer = to_json(snapshot);
    add_work(answer, work, progress.seconds());
    FLATKV_TRY(context.out.write(to_text(answer) + "\n"));
    return ExitCode::done;
  }
  FLATKV_TRY(context.out.write(fmt::format(
      "{} now holds version {}: {} rows, root {}, in {:.1f} s\n  {} of {} parts fetched, {}; "
      "threads were busy {:.1f} s with transfer, {:.1f} s with checks, {:.1f} s with tables; the "
      "last step took {:.1f} s\n",
      store, snapshot.version, snapshot.rows, to_hex(snapshot.roots.root), progress.seconds(),
      work.moved_parts, snapshot.parts, human_bytes(work.moved_bytes), work.transfer_seconds,
      work.check_seconds, work.tables_seconds, work.finish_seconds)));
  if (root.empty()) context.console.note("compare the roots line with one that you trust: --root");
  return ExitCode::done;
}

}  // namespace flatkv::cli

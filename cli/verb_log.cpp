#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "flatkv/inspect.hpp"
#include "hex.hpp"
#include "lost_log.hpp"
#include "roots_file.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct LogOptions {
  std::string store;
  std::optional<std::int64_t> from;
  std::optional<std::int64_t> to;
  bool changes = false;
};

void append_pair(std::string& line, const KVPair& pair) {
  line += "{\"key\":\"";
  append_hex(line, pair.key);
  if (pair.remove) {
    line += "\",\"delete\":true}";
    return;
  }
  line += "\",\"value\":\"";
  append_hex(line, pair.value);
  line += "\"}";
}

std::string change_line(const LogBlock& block) {
  std::string line = fmt::format("{{\"version\":{},\"changesets\":[", block.record.version);
  bool first_set = true;
  for (const NamedChangeSet& set : block.change_sets()) {
    if (!first_set) line += ',';
    first_set = false;
    line += "{\"name\":" + nlohmann::json(std::string(set.name)).dump() + ",\"pairs\":[";
    bool first = true;
    for (const KVPair& pair : set.pairs) {
      if (!first) line += ',';
      first = false;
      append_pair(line, pair);
    }
    line += "]}";
  }
  line += "]}\n";
  return line;
}

/// The roots line with two members more.
std::string record_line(const LogRecord& record, std::chrono::nanoseconds took) {
  std::string line = roots_line(record.version, record.roots);
  line.resize(line.size() - 2);
  line += fmt::format(",\"bytes\":{},\"read_us\":{:.1f}}}\n", record.payload_bytes,
                      static_cast<double>(took.count()) / 1000);
  return line;
}

Outcome<void> check_range(const LogOptions& options, const LogReader::Range& range) {
  for (const auto& asked : {options.from, options.to}) {
    if (!asked || (*asked > range.base && *asked <= range.last)) continue;
    return trouble(ExitCode::refused,
                   range.last > range.base
                       ? fmt::format("version {} is not in the log, which holds {} to {}", *asked,
                                     range.base + 1, range.last)
                       : fmt::format("version {} is not in the log, which is empty at version {}",
                                     *asked, range.last),
                   "choose a version in that range");
  }
  if (options.from && options.to && *options.from > *options.to) {
    return trouble(ExitCode::usage, "--from is above --to");
  }
  return {};
}

Outcome<ExitCode> run(const LogOptions& options, Context& context) {
  FLATKV_ASSIGN(auto whole, LogReader::open(options.store, std::nullopt, options.changes));
  warn_of_lost_log(options.store, context);
  FLATKV_TRY(check_range(options, whole.range()));
  if (options.from) {
    FLATKV_ASSIGN(whole, LogReader::open(options.store, options.from, options.changes));
  }
  LogReader& reader = whole;
  while (true) {
    if (context.interrupts.requested()) {
      return std::unexpected(interrupted(context.interrupts, "between two records"));
    }
    const auto start = std::chrono::steady_clock::now();
    FLATKV_ASSIGN(const auto block, reader.next());
    const auto took = std::chrono::steady_clock::now() - start;
    if (!block || (options.to && block->record.version > *options.to)) break;
    FLATKV_TRY(context.out.write(options.changes ? change_line(*block)
                                                 : record_line(block->record, took)));
  }
  return ExitCode::done;
}

}  // namespace

void add_log(Registry& verbs) {
  verbs.add<LogOptions>(
      "log",
      "Prints the log's records, one JSON object a line: roots, payload bytes, time to read; or "
      "the change sets, as `apply` takes them",
      "flatkv log ./state --from 28\n  flatkv log ./state --changes | flatkv apply ./copy - "
      "--create",
      [](CLI::App& verb, LogOptions& options) {
        store_argument(verb, options.store);
        version_option(verb, "--from", options.from, "First version (default: the oldest kept)", 1);
        version_option(verb, "--to", options.to, "Last version (default: the newest)", 1);
        verb.add_flag("--changes", options.changes, "The blocks' change sets instead");
      },
      run);
}

}  // namespace flatkv::cli

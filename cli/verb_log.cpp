// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/stopwatch.hpp"
#include "flatkv/tools/inspect.hpp"
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
  bool follow = false;
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

/// The roots line, with payload bytes and read time added.
std::string record_line(const LogRecord& record, std::uint64_t nanoseconds) {
  std::string line = roots_line(record.version, record.roots);
  line.resize(line.size() - 2);
  line += fmt::format(",\"bytes\":{},\"read_us\":{:.1f}}}\n", record.payload_bytes,
                      static_cast<double>(nanoseconds) / 1000);
  return line;
}

Outcome<void> check_range(const LogOptions& options, const LogReader::Range& range) {
  const auto holds = [&](std::int64_t version, std::int64_t last) {
    return version > range.base && version <= last;
  };
  // --follow may start at the next block, which is yet to come, and may end at any version.
  constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();
  const bool from = !options.from || holds(*options.from, range.last + (options.follow ? 1 : 0));
  const bool to = !options.to || holds(*options.to, options.follow ? kAny : range.last);
  if (!from || !to) {
    const std::int64_t asked = from ? *options.to : *options.from;
    return trouble(ExitCode::refused,
                   range.last > range.base
                       ? fmt::format("version {} is not in the log, which holds {} to {}", asked,
                                     range.base + 1, range.last)
                       : fmt::format("version {} is not in the log, which is empty at version {}",
                                     asked, range.last),
                   "choose a version in that range");
  }
  if (options.from && options.to && *options.from > *options.to) {
    return trouble(ExitCode::usage, "--from is above --to");
  }
  return {};
}

/// Waits until there may be more blocks, an interrupt comes, or standard output loses its reader.
Outcome<void> wait_for_more(Context& context) {
  constexpr int kLookEveryMs = 100;
  std::array<pollfd, 2> wait = {
      {{.fd = context.interrupts.descriptor(), .events = POLLIN, .revents = 0},
       {.fd = STDOUT_FILENO, .events = 0, .revents = 0}}};
  FLATKV_TRY(context.out.flush());
  static_cast<void>(::poll(wait.data(), wait.size(), kLookEveryMs));
  if ((wait[1].revents & POLLERR) != 0) {
    return trouble(ExitCode::broken_pipe, "standard output was closed");
  }
  return {};
}

Outcome<ExitCode> run(const LogOptions& options, Context& context) {
  FLATKV_ASSIGN(auto whole, LogReader::open(options.store, std::nullopt, options.changes));
  warn_of_lost_log(options.store, context);
  FLATKV_TRY(check_range(options, whole.range()));
  const std::int64_t found = whole.range().last;
  if (options.from) {
    FLATKV_ASSIGN(whole, LogReader::open(options.store, options.from, options.changes));
  }
  LogReader& reader = whole;
  // A writer may extend the log meanwhile. Without --follow, stop where it ended when opened.
  const std::int64_t last =
      options.to.value_or(options.follow ? std::numeric_limits<std::int64_t>::max() : found);
  std::int64_t version = options.from.value_or(reader.range().base + 1) - 1;
  while (!options.to || version < *options.to) {
    if (context.interrupts.requested()) {
      return std::unexpected(interrupted(context.interrupts,
                                         fmt::format("after version {}", version),
                                         "--from goes on at a version"));
    }
    const Stopwatch watch;
    FLATKV_ASSIGN(const auto block, reader.next());
    const std::uint64_t nanoseconds = watch.nanoseconds();
    if (!block) {
      if (!options.follow) break;
      FLATKV_TRY(wait_for_more(context));
      continue;
    }
    if (block->record.version > last) break;
    version = block->record.version;
    FLATKV_TRY(context.out.write(options.changes ? change_line(*block)
                                                 : record_line(block->record, nanoseconds)));
  }
  return ExitCode::done;
}

}  // namespace

void add_log(Registry& verbs) {
  verbs.add<LogOptions>(
      "log",
      "Prints the log's records, one JSON object a line: roots, payload bytes, time to read; or "
      "the change sets, as `apply` takes them",
      "flatkv log ./state --from 28\n  flatkv log ./state --follow\n  flatkv log ./state --changes "
      "| flatkv apply ./copy - "
      "--create",
      [](CLI::App& verb, LogOptions& options) {
        store_argument(verb, options.store);
        version_option(verb, "--from", options.from, "First version (default: the oldest kept)", 1);
        version_option(verb, "--to", options.to, "Last version (default: the newest)", 1);
        verb.add_flag("--changes", options.changes, "The blocks' change sets instead");
        verb.add_flag("--follow", options.follow,
                      "At the end, wait for the blocks that a writer commits; ends with --to, an "
                      "interrupt, or a rollback below what was printed (exit 3)");
      },
      run);
}

}  // namespace flatkv::cli

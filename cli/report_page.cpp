// SPDX-License-Identifier: Apache-2.0
#include "report_page.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "progress.hpp"
#include "svg.hpp"

namespace flatkv::cli {
namespace {

constexpr std::size_t kColumns = 120;  // more would be thinner than a line
constexpr std::size_t kLines = 10;     // of roots

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --page: #fff; --text: #1c1f24; --dim: #5c6570; --edge: #d9dee4;
  --good: #1a7f37; --bad: #c0392b; --c0: #2f6fde; --c1: #e08a1e; --c2: #2a9d6f; --c3: #9a5fd0; --c4: #c94f6d; }
@media (prefers-color-scheme: dark) { :root { --page: #14171b; --text: #e4e8ed; --dim: #9aa4b0;
  --edge: #333a43; --good: #4cc46d; --bad: #ff7b6b; --c0: #6ea0ff; --c1: #f0a94e; --c2: #56c997;
  --c3: #bd8cf0; --c4: #ee7f99; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 16px 64px; max-width: 960px; background: var(--page);
  color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; overflow-wrap: anywhere; } h2 { font-size: 18px; margin: 36px 0 8px; }
p { margin: 4px 0 8px; } .dim { color: var(--dim); } .good { color: var(--good); } .bad { color: var(--bad); }
code { font: 13px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--edge); white-space: nowrap; }
th { color: var(--dim); font-weight: 600; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
td.hash { max-width: 180px; overflow: hidden; text-overflow: ellipsis; }
.figures { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0; }
.figures div { flex: 1 1 140px; border: 1px solid var(--edge); border-radius: 8px; padding: 10px 14px; }
.figures b { display: block; font-size: 20px; } .figures span { color: var(--dim); font-size: 13px; }
svg { display: block; width: 100%; min-width: 600px; height: auto; }
svg text.label { fill: var(--text); font: 12px system-ui, sans-serif; }
svg .axis { stroke: var(--edge); stroke-width: 1; }
)";

std::string colours() {
  std::string css;
  for (int i = 0; i < 5; ++i) {
    css += fmt::format(".c{0} {{ fill: var(--c{0}); background: var(--c{0}); }} ", i);
    css += fmt::format(".l{0} {{ fill: none; stroke: var(--c{0}); stroke-width: 2; }}\n", i);
  }
  return css +
         ".key i { display: inline-block; width: 10px; height: 10px; margin: 0 6px 0 14px; }\n";
}

double number(std::uint64_t count) { return static_cast<double>(count); }
std::string version_text(double version) { return fmt::format("{:.0f}", version); }
std::string count_text(double count) { return human_count(count); }
std::string bytes_text(double bytes) {
  return human_bytes(static_cast<std::uint64_t>(std::max(bytes, 0.0)));
}
std::string time_text(std::int64_t seconds) {
  return fmt::format("{:%Y-%m-%d %H:%M}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}
std::string time_of(double seconds) { return time_text(static_cast<std::int64_t>(seconds)); }

std::string wide(const std::string& content) {
  return "<div class=\"wide\">" + content + "</div>\n";
}

std::string key(std::initializer_list<std::string_view> names) {
  std::string text = "<p class=\"key dim\">";
  int colour = 0;
  for (const std::string_view name : names) {
    text += fmt::format("<i class=\"c{}\"></i>{}", colour++, name);
  }
  return text + "</p>\n";
}

std::string figure(std::string_view value, std::string_view name, std::string_view shade = {}) {
  return fmt::format("<div><b class=\"{}\">{}</b><span>{}</span></div>", shade, escaped(value),
                     escaped(name));
}

std::string verdict(bool good) {
  return good ? "<span class=\"good\">good</span>" : "<span class=\"bad\">NOT GOOD</span>";
}

std::uint64_t rows_of(const StoreInfo& info) {
  std::uint64_t rows = 0;
  for (const auto& database : info.databases) rows += database.stats.rows;
  return rows;
}

std::string head(const ReportFacts& facts) {
  const StoreInfo& info = facts.info;
  const bool opens = info.problems.empty();
  std::string text = fmt::format("<h1>{}</h1>\n<p class=\"dim\">FlatKV store {}, {}, made {}</p>\n",
                                 escaped(facts.store), escaped(info.store_id),
                                 escaped(info.generation), escaped(facts.made));
  text += "<div class=\"figures\">";
  text += figure(std::to_string(facts.version), "version");
  text += figure(human_count(number(rows_of(info))), "rows");
  text += figure(human_bytes(info.bytes), "on disk");
  text += figure(opens ? "opens" : "does not open",
                 info.locked  ? "a process has it open"
                 : info.clean ? "closed cleanly"
                              : "not closed cleanly",
                 opens ? "good" : "bad");
  text += "</div>\n<p>Root <code>" + to_hex(facts.roots.root) + "</code></p>\n";
  for (const Error& problem : info.problems) {
    text += "<p class=\"bad\">" + escaped(problem.to_string()) + "</p>\n";
  }
  if (info.log_problem) {
    text += "<p class=\"bad\">log: " + escaped(info.log_problem->to_string()) + "</p>\n";
  }
  for (const std::string& note : info.notes) text += "<p class=\"dim\">" + escaped(note) + "</p>\n";
  return text;
}

std::string sizes(const ReportFacts& facts) {
  std::string text = "<h2>Sizes</h2>\n";
  if (facts.info.databases_from_snapshot) {
    text += "<p class=\"dim\">A writer has the store: figures of its newest snapshot.</p>\n";
  }
  std::vector<Bar> bars;
  std::string table =
      "<table><tr><th>database<th class=n>rows<th class=n>keys<th class=n>values<th class=n>on disk"
      "<th class=n>flushed at</tr>\n";
  for (const auto& database : facts.info.databases) {
    const std::string name(to_string(database.database));
    const DatabaseStats& stats = database.stats;
    table += fmt::format(
        "<tr><td>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}</tr>\n",
        name, stats.rows, human_bytes(stats.key_bytes), human_bytes(stats.value_bytes),
        human_bytes(database.bytes), database.version ? std::to_string(*database.version) : "?");
    bars.push_back({name, {number(database.bytes)}});
  }
  if (facts.info.log) bars.push_back({"log", {number(facts.info.log->bytes)}});
  return text + wide(lying_bars(bars, "Bytes on disk", bytes_text)) + wide(table + "</table>");
}

std::string levels(const ReportFacts& facts) {
  std::string table =
      "<table><tr><th>database<th class=n>level<th class=n>files<th class=n>bytes</tr>\n";
  std::string waiting;
  for (const TableInfo& one : facts.tables) {
    for (const LevelInfo& level : one.levels) {
      table +=
          fmt::format("<tr><td>{}<td class=n>{}<td class=n>{}<td class=n>{}</tr>\n",
                      to_string(one.database), level.level, level.files, human_bytes(level.bytes));
    }
    if (one.pending_compaction_bytes == 0) continue;
    waiting += fmt::format("<p>{} of {} wait for compaction.</p>\n",
                           human_bytes(one.pending_compaction_bytes), to_string(one.database));
  }
  return "<h2>Levels</h2>\n<p class=\"dim\">Of the copy that was read. A read looks into one file "
         "of each level and into every one of level 0; flushes wait above 24 of those.</p>\n" +
         wide(table + "</table>") + waiting;
}

std::string growth(const ReportFacts& facts) {
  const StoreInfo& info = facts.info;
  std::vector<Line> all;
  for (const Database database : kDataDatabases) {
    Line line{std::string(to_string(database)), {}};
    for (const SnapshotInfo& snapshot : info.snapshots) {
      if (snapshot.problem) continue;
      line.points.push_back(
          {static_cast<double>(snapshot.version), number(snapshot.stats[database].rows)});
    }
    for (const auto& own : info.databases) {
      if (own.database != database || !own.version || info.databases_from_snapshot) continue;
      const auto at = static_cast<double>(*own.version);
      if (line.points.empty() || line.points.back().x < at) {
        line.points.push_back({at, number(own.stats.rows)});
      }
    }
    all.push_back(std::move(line));
  }
  return "<h2>Growth</h2>\n<p class=\"dim\">Rows at each snapshot and at the last flush, by "
         "version.</p>\n" +
         key({"account", "code", "storage", "legacy"}) +
         wide(lines(all, "Rows by version", version_text, count_text));
}

std::string blocks(const ReportFacts& facts) {
  std::string text = "<h2>Blocks</h2>\n";
  const auto& all = facts.blocks;
  if (all.empty()) return text + "<p>The log holds no block.</p>\n";
  text += fmt::format("<p>The log holds blocks {} to {}, {}. Mean payload of a block:</p>\n",
                      all.front().version, all.back().version,
                      facts.info.log ? human_bytes(facts.info.log->bytes) : "");
  std::vector<Point> points;
  const std::size_t each = (all.size() + kColumns - 1) / kColumns;
  for (std::size_t at = 0; at < all.size(); at += each) {
    const std::size_t end = std::min(all.size(), at + each);
    double bytes = 0;
    for (std::size_t i = at; i < end; ++i) bytes += number(all[i].payload_bytes);
    points.push_back({static_cast<double>(all[at].version), bytes / static_cast<double>(end - at)});
  }
  text += wide(columns(points, "Payload of blocks", version_text, bytes_text));
  if (facts.times.size() > 1) {
    Line line{"version", {}};
    for (const auto& one : facts.times) {
      line.points.push_back({static_cast<double>(one.time), static_cast<double>(one.version)});
    }
    const auto& first = facts.times.front();
    const auto& last = facts.times.back();
    text += "<p>Versions by time, from when segments of the log and snapshots were written";
    if (last.time > first.time) {
      text += fmt::format(": {:.2f} blocks a second",
                          static_cast<double>(last.version - first.version) /
                              static_cast<double>(last.time - first.time));
    }
    text += ".</p>\n" + wide(lines({line}, "Versions by time", time_of, version_text));
  }
  std::string table =
      "<table><tr><th class=n>version<th class=n>payload<th>root<th>account<th>code<th>storage"
      "<th>legacy</tr>\n";
  for (std::size_t i = all.size(); i-- > (all.size() > kLines ? all.size() - kLines : 0);) {
    table += fmt::format("<tr><td class=n>{}<td class=n>{}", all[i].version,
                         human_bytes(all[i].payload_bytes));
    const Roots& roots = all[i].roots;
    for (const Digest* one :
         {&roots.root, &roots.account, &roots.code, &roots.storage, &roots.legacy}) {
      const std::string hex = to_hex(*one);
      table +=
          fmt::format("<td class=hash title=\"{0}\"><code>{1}…</code>", hex, hex.substr(0, 12));
    }
    table += "</tr>\n";
  }
  return text + "<p>The last roots lines:</p>\n" + wide(table + "</table>");
}

std::string contracts(const ReportFacts& facts) {
  std::string text = "<h2>Largest contracts</h2>\n";
  if (!facts.contracts) return text + "<p class=\"dim\">Not counted: <code>--no-scan</code>.</p>\n";
  const Contracts& found = *facts.contracts;
  text += fmt::format("<p>{} contracts have storage; these have the most rows.</p>\n", found.count);
  std::vector<Bar> bars;
  std::string table = "<table><tr><th>contract<th class=n>rows<th class=n>bytes</tr>\n";
  for (const ContractRows& one : found.largest) {
    const std::string address = to_hex(one.address);
    bars.push_back({address.substr(0, 10) + "…" + address.substr(34), {number(one.rows)}});
    table += fmt::format("<tr><td><code>{}</code><td class=n>{}<td class=n>{}</tr>\n", address,
                         one.rows, human_bytes(one.bytes));
  }
  return text + wide(lying_bars(bars, "Rows of the largest contracts", count_text)) +
         wide(table + "</table>");
}

std::string history(const ReportFacts& facts) {
  const StoreInfo& info = facts.info;
  std::vector<Lane> all{{"can be read", {}}, {"log", {}}, {"snapshots", {}}, {"undoable", {}}};
  auto first = static_cast<double>(facts.version);
  const auto add = [&](Lane& lane, std::int64_t from, std::int64_t to) {
    lane.spans.emplace_back(static_cast<double>(from), static_cast<double>(to));
    first = std::min(first, static_cast<double>(from));
  };
  for (const VersionRange& range : info.reachable) add(all[0], range.first, range.last);
  if (info.log && info.log->last > info.log->base) add(all[1], info.log->base + 1, info.log->last);
  std::string table =
      "<table><tr><th class=n>version<th class=n>rows<th class=n>bytes<th>root</tr>\n";
  for (const SnapshotInfo& snapshot : info.snapshots) {
    if (snapshot.problem) {
      table += fmt::format("<tr><td class=n>{}<td class=bad colspan=3>{}</tr>\n", snapshot.version,
                           escaped(snapshot.problem->to_string()));
      continue;
    }
    add(all[2], snapshot.version, snapshot.version);
    std::uint64_t rows = 0;
    for (const DatabaseStats& stats : snapshot.stats) rows += stats.rows;
    table += fmt::format("<tr><td class=n>{}<td class=n>{}<td class=n>{}<td><code>{}</code></tr>\n",
                         snapshot.version, rows, human_bytes(snapshot.bytes),
                         snapshot.roots ? to_hex(snapshot.roots->root) : "");
  }
  if (info.undo_floor) add(all[3], *info.undo_floor, facts.version);
  std::string text = "<h2>How far back one can go</h2>\n";
  if (!info.reachable.empty()) {
    text +=
        fmt::format("<p>Version {} is the oldest that can be read, exported or gone back to.</p>\n",
                    info.reachable.front().first);
  }
  return text +
         wide(lanes(all, first, static_cast<double>(facts.version), "Versions that are kept",
                    version_text)) +
         wide(table + "</table>");
}

std::string checks(const ReportFacts& facts) {
  std::string text = "<h2>Scrub and verification</h2>\n";
  if (facts.verified) {
    std::string table = "<table><tr><th>database<th class=n>rows<th>verified now</tr>\n";
    for (const DatabaseVerdict& one : facts.verified->databases) {
      table += fmt::format("<tr><td>{}<td class=n>{}<td>{}{}</tr>\n", to_string(one.database),
                           one.found_stats.rows, verdict(one.good()),
                           one.error ? " " + escaped(one.error->to_string()) : "");
    }
    text += wide(table + "</table>");
    if (!facts.verified->sum_good)
      text += "<p class=\"bad\">The hashes do not add up to the root.</p>\n";
  } else {
    text += "<p class=\"dim\">Not verified: <code>--verify</code> does.</p>\n";
  }
  if (!facts.info.scrub) return text + "<p class=\"dim\">No progress of a scrub is saved.</p>\n";
  const ScrubProgress& scrub = *facts.info.scrub;
  text += fmt::format("<p>The scrub is in round {}: {} rows of {} are done, at version {}.</p>\n",
                      scrub.round, scrub.rows, to_string(scrub.database), scrub.version);
  std::string table =
      "<table><tr><th>database<th class=n>round<th class=n>version<th>scrubbed</tr>\n";
  for (const Database database : kDataDatabases) {
    const auto& last = scrub.verdicts[database];
    if (!last) continue;
    table += fmt::format("<tr><td>{}<td class=n>{}<td class=n>{}<td>{}</tr>\n", to_string(database),
                         last->round, last->version, verdict(last->good));
  }
  return text + wide(table + "</table>");
}

}  // namespace

std::string report_page(const ReportFacts& facts) {
  std::string page =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<title>FlatKV: " +
      escaped(facts.store) + "</title>\n<style>";
  page += kStyle;
  page += colours() + "</style></head>\n<body>\n";
  page += head(facts) + sizes(facts) + growth(facts) + blocks(facts) + levels(facts) +
          contracts(facts) + history(facts) + checks(facts);
  return page + "</body></html>\n";
}

}  // namespace flatkv::cli

// SPDX-License-Identifier: Apache-2.0
#include "bench_report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "build_info.hpp"
#include "info_json.hpp"
#include "kernel_name.hpp"
#include "progress.hpp"

namespace flatkv::cli {
namespace {

using Json = nlohmann::ordered_json;
using bench::Phase;
using bench::Series;
using bench::Summary;

double ratio(double a, double b) { return b > 0 ? a / b : 0; }

Json tables_json(const rocks::TableShape& shape) {
  return {{"block", shape.block_bytes},
          {"compression", kCompressions[static_cast<std::size_t>(shape.compression)]},
          {"filter_bits", shape.filter_bits},
          {"partitioned", shape.partitioned ? Json(*shape.partitioned) : Json(nullptr)}};
}

Json plan_json(const BenchPlan& plan) {
  return {{"workload", plan.workload},
          {"rows", plan.shape.rows},
          {"writes", plan.shape.writes},
          {"updates", plan.shape.update_percent},
          {"seed", plan.shape.seed},
          {"durability", plan.durability},
          {"cache", plan.cache ? Json(*plan.cache) : Json(nullptr)},
          {"write_buffer", plan.write_buffer},
          {"memory_limit", plan.memory ? Json(*plan.memory) : Json(nullptr)},
          {"in_flight", plan.in_flight},
          {"recent_versions", plan.recent_versions},
          {"prefetch_ms", plan.prefetch ? Json(*plan.prefetch) : Json(nullptr)},
          {"tables", tables_json(plan.tables)},
          {"version", kVersion},
          {"commit", kCommit},
          {"kernel", kernel_name()},
          {"machine",
           {{"date", plan.machine.date},
            {"cpu", plan.machine.cpu},
            {"cores", plan.machine.cores},
            {"memory", plan.machine.memory},
            {"system", plan.machine.system},
            {"file_system", plan.machine.file_system},
            {"load", plan.machine.load}}}};
}

Json microseconds(const Summary& times) {
  return {{"p50", times.p50 / 1e3},
          {"p99", times.p99 / 1e3},
          {"max", times.max / 1e3},
          {"mean", times.mean / 1e3}};
}

Json phases(const Series& series) {
  Json json = {{"block", microseconds(series.block())}};
  for (std::size_t i = 0; i < bench::kPhases; ++i) {
    json[std::string(bench::kPhaseNames[i])] = microseconds(series.phase(static_cast<Phase>(i)));
  }
  return json;
}

Json throughput(const bench::RunReport& report, const bench::Measured& measured) {
  const double seconds = measured.blocks.seconds();
  return {
      {"blocks", measured.blocks.size()},
      {"seconds", seconds},
      {"writes_per_s", ratio(static_cast<double>(report.writes), seconds)},
      {"reads_per_s", ratio(static_cast<double>(report.reads), seconds)},
      {"blocks_per_s", ratio(static_cast<double>(measured.blocks.size()), seconds)},
      {"load_rows_per_s", ratio(static_cast<double>(report.loaded_rows), measured.load_seconds)}};
}

/// Which phase was furthest above its median in the slowest block, and what went on beside it.
Json longest_stall(const Series& series) {
  const std::size_t at = series.longest();
  const Series::Entry& entry = series.entries()[at];
  double most = -1;
  std::size_t cause = 0;
  for (std::size_t i = 0; i < bench::kPhases; ++i) {
    const double excess =
        static_cast<double>(entry.times[i]) - series.phase(static_cast<Phase>(i)).p50;
    if (excess > most) {
      most = excess;
      cause = i;
    }
  }
  return {{"block", at},
          {"us", static_cast<double>(entry.total) / 1e3},
          {"phase", bench::kPhaseNames[cause]},
          {"phase_us_above_median", most / 1e3},
          {"flush_running", entry.beside.flushing},
          {"compaction_running", entry.beside.compacting},
          {"lost_the_core", entry.lost_the_core}};
}

Json tail_json(const Series& series) {
  const Series::Tail tail = series.tail();
  Json excess = Json::object();
  for (std::size_t i = 0; i < bench::kPhases; ++i) {
    excess[std::string(bench::kPhaseNames[i])] = static_cast<double>(tail.excess[i]) / 1e3;
  }
  return {{"blocks", tail.blocks},
          {"flush_running", tail.flushing},
          {"compaction_running", tail.compacting},
          {"lost_the_core", tail.lost_the_core},
          {"mean_us_above_median", excess}};
}

Json written_json(const bench::RunReport& report) {
  const StoreMetrics& a = report.before;
  const StoreMetrics& b = report.after;
  const std::uint64_t log = b.log_bytes - a.log_bytes;
  const std::uint64_t flushed = b.flushed_bytes - a.flushed_bytes;
  const std::uint64_t compacted = b.compaction_bytes - a.compaction_bytes;
  Json databases = Json::object();
  for (const Database database : kAllDatabases) {
    const std::uint64_t tables = b.flushed[database].tables - a.flushed[database].tables;
    if (tables == 0) continue;
    databases[std::string(to_string(database))] = {
        {"flushes", tables},
        {"bytes", b.flushed[database].bytes - a.flushed[database].bytes},
        {"seconds",
         static_cast<double>(b.flushed[database].nanoseconds - a.flushed[database].nanoseconds) *
             1e-9}};
  }
  return {{"payload", report.payload_bytes},
          {"log", log},
          {"flushed", flushed},
          {"compacted", compacted},
          {"amplification", ratio(static_cast<double>(log + flushed + compacted),
                                  static_cast<double>(report.payload_bytes))},
          {"device", report.end.written - report.begin.written},
          {"flush", databases}};
}

/// Rows read from the tables, against the reads that the device gives.
Json table_reads_json(const bench::RunReport& report) {
  const std::uint64_t rows = report.after.table_reads - report.before.table_reads;
  double seconds = 0;
  for (const Series::Entry& entry : report.store.blocks.entries()) {
    seconds +=
        static_cast<double>(entry.times.of(Phase::lookup) + entry.times.of(Phase::read)) * 1e-9;
  }
  const PrefetchMetrics& a = report.before.prefetch;
  const PrefetchMetrics& b = report.after.prefetch;
  // What was prefetched was read beside the blocks, not in their time.
  const std::uint64_t ahead = std::min(rows, b.loaded - a.loaded);
  const double per_second = ratio(static_cast<double>(rows - ahead), seconds);
  Json json = {
      {"rows", rows},
      {"per_s", per_second},
      {"bytes_each", ratio(static_cast<double>(report.bytes_read), static_cast<double>(rows))},
      {"amplification",
       ratio(static_cast<double>(report.bytes_read) * static_cast<double>(report.rows),
             static_cast<double>(rows) * static_cast<double>(report.row_bytes))},
      {"threads", report.after.read_threads},
      {"prefetch",
       {{"asked", b.asked - a.asked},
        {"loaded", b.loaded - a.loaded},
        {"hit", b.hit - a.hit},
        {"dropped", b.dropped - a.dropped}}}};
  if (report.device) {
    json["device"] = {{"one_in_flight", report.device->one},
                      {"many_in_flight", report.device->many},
                      {"of_the_device", ratio(per_second, report.device->many)}};
  } else if (!report.device_trouble.empty()) {
    json["device_trouble"] = report.device_trouble;
  }
  return json;
}

Json space_json(const bench::RunReport& report) {
  return {{"rows", report.rows},
          {"payload", report.row_bytes},
          {"tables", report.table_bytes},
          {"amplification",
           ratio(static_cast<double>(report.table_bytes), static_cast<double>(report.row_bytes))}};
}

Json memory_json(const bench::RunReport& report) {
  return {{"peak", report.end.peak_memory},
          {"row_cache", report.after.cache_memory},
          {"key_filter", report.after.key_filter_memory},
          {"buffers", report.after.buffer_memory}};
}

/// The store's median block, without its log, against the floors'.
Json floors_json(const bench::RunReport& report) {
  const double block = report.store.blocks.block().p50;
  const double log = report.store.blocks.phase(Phase::log).p50;
  const double raw = report.raw->blocks.block().p50;
  const double hash = report.hash->phase(Phase::hash).p50;
  return {{"raw_us", raw / 1e3},
          {"hash_us", hash / 1e3},
          {"block_without_log_us", (block - log) / 1e3},
          {"over_the_larger", ratio(block - log, std::max(raw, hash))},
          {"over_the_sum", ratio(block - log, raw + hash)},
          {"raw", phases(report.raw->blocks)},
          {"raw_throughput", throughput(report, *report.raw)}};
}

std::string line(const std::string& name, const Json& times) {
  return fmt::format("  {:<9} {:>11.1f} {:>11.1f} {:>11.1f} {:>11.1f}\n", name,
                     times["p50"].get<double>(), times["p99"].get<double>(),
                     times["max"].get<double>(), times["mean"].get<double>());
}

std::string table_reads_line(const Json& reads) {
  if (reads["rows"].get<std::uint64_t>() == 0) return {};
  std::string text = fmt::format(
      "{} rows from tables, {:.0f} a second, {:.0f} bytes of the device each: {:.1f} times the "
      "payload\n",
      reads["rows"].get<std::uint64_t>(), reads["per_s"].get<double>(),
      reads["bytes_each"].get<double>(), reads["amplification"].get<double>());
  if (reads.contains("device")) {
    const Json& device = reads["device"];
    text += fmt::format(
        "  the device gives {:.0f} reads a second one by one, {:.0f} with {} in flight: {:.2f} of "
        "it\n",
        device["one_in_flight"].get<double>(), device["many_in_flight"].get<double>(),
        bench::kManyInFlight, device["of_the_device"].get<double>());
  } else if (reads.contains("device_trouble")) {
    text += fmt::format("  the device was not measured: {}\n",
                        reads["device_trouble"].get<std::string>());
  }
  return text;
}

std::string heading(const Json& report) {
  const Json& machine = report["machine"];
  return fmt::format(
      "{} with {} rows, {} writes a block, durability {}, row cache {}, seed {}\n"
      "{}, {} cores, {}, {}, {}, load {:.1f}; commit {}, kernel {}\n",
      report["workload"].get<std::string>(), report["rows"].get<std::uint64_t>(),
      report["writes"].get<std::uint64_t>(), report["durability"].get<std::string>(),
      report["cache"].is_null() ? "automatic" : human_bytes(report["cache"].get<std::uint64_t>()),
      report["seed"].get<std::uint64_t>(), machine["cpu"].get<std::string>(),
      machine["cores"].get<unsigned>(), machine["system"].get<std::string>(),
      machine["file_system"].get<std::string>(), machine["date"].get<std::string>(),
      machine["load"].get<double>(), report["commit"].get<std::string>(),
      report["kernel"].get<std::string>());
}

}  // namespace

Json to_json(const BenchPlan& plan, const bench::RunReport& report) {
  Json json = plan_json(plan);
  json["store"] = throughput(report, report.store);
  json["p99_over_p50"] = ratio(report.store.blocks.block().p99, report.store.blocks.block().p50);
  json["phases_us"] = phases(report.store.blocks);
  json["longest_stall"] = longest_stall(report.store.blocks);
  json["slowest_percent"] = tail_json(report.store.blocks);
  json["written"] = written_json(report);
  json["space"] = space_json(report);
  json["memory"] = memory_json(report);
  json["processor_s"] = report.end.processor_seconds - report.begin.processor_seconds;
  const std::uint64_t hits = report.after.cache_hits - report.before.cache_hits;
  const std::uint64_t misses = report.after.cache_misses - report.before.cache_misses;
  json["cache_hits"] = hits;
  json["cache_misses"] = misses;
  json["table_reads"] = table_reads_json(report);
  json["key_filter_answers"] = report.after.key_filter_answers - report.before.key_filter_answers;
  if (report.raw) json["floors"] = floors_json(report);
  if (report.rocksdb) {
    json["rocksdb"] = throughput(report, *report.rocksdb);
    json["rocksdb"]["phases_us"] = phases(report.rocksdb->blocks);
  }
  json["roots"] = to_json(report.roots);
  return json;
}

Json to_json(const BenchPlan& plan, const std::vector<bench::Step>& steps) {
  Json json = plan_json(plan);
  json["steps"] = Json::object();
  for (const bench::Step& step : steps) {
    Json& own = json["steps"][step.name];
    own = {{"seconds", step.seconds}, {"peak_memory", step.peak_memory}};
    for (const auto& [name, value] : step.figures) own[name] = value;
  }
  return json;
}

std::string run_for_people(const Json& report) {
  const Json& store = report["store"];
  std::string text = heading(report);
  text += fmt::format(
      "{:.0f} writes/s, {:.1f} blocks/s over {} blocks; loaded {:.0f} rows/s\n"
      "  us a block        p50         p99         max        mean\n",
      store["writes_per_s"].get<double>(), store["blocks_per_s"].get<double>(),
      store["blocks"].get<std::uint64_t>(), store["load_rows_per_s"].get<double>());
  for (const auto& [name, times] : report["phases_us"].items()) text += line(name, times);
  const Json& stall = report["longest_stall"];
  text +=
      fmt::format("p99 is {:.2f} of p50; longest block {:.1f} ms, in {}{}{}{}\n",
                  report["p99_over_p50"].get<double>(), stall["us"].get<double>() / 1e3,
                  stall["phase"].get<std::string>(),
                  stall["flush_running"].get<bool>() ? ", a flush running" : "",
                  stall["compaction_running"].get<bool>() ? ", a compaction running" : "",
                  stall["lost_the_core"].get<std::uint64_t>() > 0 ? ", its core taken away" : "");
  const Json& written = report["written"];
  text += fmt::format("written {} log, {} flushed, {} compacted: {:.2f} times the payload\n",
                      human_bytes(written["log"].get<std::uint64_t>()),
                      human_bytes(written["flushed"].get<std::uint64_t>()),
                      human_bytes(written["compacted"].get<std::uint64_t>()),
                      written["amplification"].get<double>());
  for (const auto& [name, own] : written["flush"].items()) {
    text +=
        fmt::format("  flush of {:<9} {:>4} times, {:>10}, {:.2f} s\n", name,
                    own["flushes"].get<std::uint64_t>(),
                    human_bytes(own["bytes"].get<std::uint64_t>()), own["seconds"].get<double>());
  }
  const Json& space = report["space"];
  text += fmt::format("tables {} for {} of rows: {:.2f} times the payload\n",
                      human_bytes(space["tables"].get<std::uint64_t>()),
                      human_bytes(space["payload"].get<std::uint64_t>()),
                      space["amplification"].get<double>());
  text += fmt::format("memory {} at most ({} row cache, {} buffers at the end)\n",
                      human_bytes(report["memory"]["peak"].get<std::uint64_t>()),
                      human_bytes(report["memory"]["row_cache"].get<std::uint64_t>()),
                      human_bytes(report["memory"]["buffers"].get<std::uint64_t>()));
  text += table_reads_line(report["table_reads"]);
  if (report.contains("floors")) {
    const Json& floors = report["floors"];
    text += fmt::format(
        "floors: raw {:.1f} us, hash {:.1f} us; the block without its log {:.1f} us: {:.2f} of the "
        "larger, {:.2f} of the sum\n",
        floors["raw_us"].get<double>(), floors["hash_us"].get<double>(),
        floors["block_without_log_us"].get<double>(), floors["over_the_larger"].get<double>(),
        floors["over_the_sum"].get<double>());
  }
  if (report.contains("rocksdb")) {
    text +=
        fmt::format("RocksDB as it comes, without hash and log: {:.0f} writes/s, p50 {:.1f} us\n",
                    report["rocksdb"]["writes_per_s"].get<double>(),
                    report["rocksdb"]["phases_us"]["block"]["p50"].get<double>());
  }
  return text + fmt::format("root {}\n", report["roots"]["root"].get<std::string>());
}

std::string steps_for_people(const Json& report) {
  std::string text = heading(report);
  for (const auto& [name, step] : report["steps"].items()) {
    text += fmt::format("{:<24} {:>9.3f} s  {:>10} peak", name, step["seconds"].get<double>(),
                        human_bytes(step["peak_memory"].get<std::uint64_t>()));
    for (const auto& [figure, value] : step.items()) {
      if (figure == "seconds" || figure == "peak_memory") continue;
      const double number = value.get<double>();
      text += number >= 1000 ? fmt::format("  {} {:.0f}", figure, number)
                             : fmt::format("  {} {:.3g}", figure, number);
    }
    text += '\n';
  }
  return text;
}

}  // namespace flatkv::cli

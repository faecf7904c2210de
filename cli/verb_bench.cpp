// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/error.hpp"
#include "bench_directory.hpp"
#include "bench_report.hpp"
#include "info_json.hpp"
#include "progress.hpp"
#include "read_ahead.hpp"
#include "verbs.hpp"
#include "workloads/forks.hpp"
#include "workloads/memory_group.hpp"

namespace flatkv::cli {
namespace {

constexpr const char* kMainnet = "mainnet";
constexpr const char* kState = "state";
constexpr const char* kForks = "forks";

struct BenchArguments {
  std::string workload;
  bench::Shape shape{.update_percent = 50};
  std::uint64_t blocks = 0;
  double seconds = 10;
  std::uint64_t warm_up = 100;
  std::string durability = "process";
  std::uint64_t cache = CacheOptions::kAutomatic;
  std::uint64_t key_filter = Options{}.cache.key_filter_bytes;
  std::uint64_t block_cache = Options{}.cache.block_cache_bytes;
  std::uint64_t write_buffer = Options{}.flush.write_buffer_bytes;
  std::uint32_t threads = 0;
  std::uint32_t in_flight = Options{}.reads.in_flight;
  std::uint32_t recent_versions = Options{}.recent_versions;
  std::uint64_t memory = 0;
  double device = -1;  ///< negative: chosen by `memory`
  std::optional<std::uint64_t> prefetch;
  rocks::TableShape tables{};
  std::string table_compression = kCompressions[1];
  bool table_parts = false;
  std::uint64_t log_blocks = bench::StateOptions{}.log_blocks;
  std::string directory;
  std::string file = "examples/mainnet-15000001-30.jsonl.zst";
  bool keep = false;
  bool no_floors = false;
  bool rocksdb = false;
};

Options store_options(const BenchArguments& arguments, const Context& context) {
  Options options;
  options.durability = arguments.durability == "sync"    ? Durability::sync
                       : arguments.durability == "group" ? Durability::group
                                                         : Durability::process;
  options.cache.row_cache_bytes = arguments.cache;
  options.cache.key_filter_bytes = arguments.key_filter;
  options.cache.block_cache_bytes = arguments.block_cache;
  options.flush.write_buffer_bytes = arguments.write_buffer;
  options.threads = arguments.threads;
  options.reads.in_flight = arguments.in_flight;
  options.recent_versions = arguments.recent_versions;
  options.snapshot.interval = 0;
  options.log = context.log();
  return options;
}

double device_seconds(const BenchArguments& arguments) {
  if (arguments.device >= 0) return arguments.device;
  return arguments.memory == 0 ? 0 : 2;
}

std::optional<std::chrono::milliseconds> prefetch_time(const BenchArguments& arguments) {
  if (!arguments.prefetch) return std::nullopt;
  return std::chrono::milliseconds(*arguments.prefetch);
}

/// The blocks of a file of change sets, one for each version.
Outcome<std::vector<bench::Block>> recorded(const std::string& path, const Context& context) {
  FLATKV_ASSIGN(const auto input, ChangeInput::open(path, Format::jsonl, context.interrupts));
  std::vector<bench::Block> blocks;
  std::int64_t version = 0;
  while (true) {
    FLATKV_ASSIGN(const auto line, input->next());
    if (!line) break;
    if (blocks.empty() || line->version != version) blocks.emplace_back();
    version = line->version;
    bench::Block& block = blocks.back();
    const auto own = [&](ByteView bytes) {
      const auto copy = block.bytes(bytes.size());
      std::ranges::copy(bytes, copy.begin());
      return ByteView(copy);
    };
    for (const NamedChangeSet& set : line->sets) {
      if (set.name != kEvmModule) continue;
      for (const KVPair& pair : set.pairs) {
        block.writes.push_back({own(pair.key), own(pair.value), pair.remove});
      }
    }
  }
  if (blocks.size() < 2) {
    return trouble(ExitCode::usage,
                   path + " needs a first version, the state, and others, the blocks");
  }
  return blocks;
}

Outcome<std::unique_ptr<bench::Workload>> workload_of(BenchArguments& arguments,
                                                      const Context& context) {
  if (arguments.workload != kMainnet) {
    return bench::make_workload(arguments.workload, arguments.shape);
  }
  FLATKV_ASSIGN(auto blocks, recorded(arguments.file, context));
  const std::uint64_t each = blocks.size() - 1;
  if (arguments.blocks == 0) arguments.blocks = each * 20;
  const std::uint64_t all = arguments.blocks + arguments.warm_up;
  auto workload = bench::replay(std::move(blocks), (all + each - 1) / each);
  arguments.shape.rows = workload->rows();
  return workload;
}

auto progress_of(Progress& progress) {
  return [&progress](std::string_view what, std::uint64_t done, std::uint64_t total) {
    progress.update(what, done, done,
                    total == 0 ? std::nullopt : std::optional<std::uint64_t>(total));
  };
}

Outcome<void> show(const nlohmann::ordered_json& report, bool of_steps, Context& context) {
  if (context.json) return context.out.write(to_text(report) + "\n");
  return context.out.write(of_steps ? steps_for_people(report) : run_for_people(report));
}

Outcome<ExitCode> measure_forks(const BenchArguments& arguments, const BenchPlan& plan,
                                const BenchDirectory& directory, Progress& progress,
                                Context& context) {
  const bench::ForksOptions options{.directory = directory.path(),
                                    .shape = arguments.shape,
                                    .store = store_options(arguments, context),
                                    .blocks = arguments.blocks,
                                    .seconds = arguments.seconds,
                                    .warm_up = arguments.warm_up,
                                    .stop = context.interrupts.token(),
                                    .progress = progress_of(progress)};
  FLATKV_ASSIGN(const auto steps, bench::run_forks(options));
  context.console.end_progress();
  FLATKV_TRY(show(to_json(plan, steps), true, context));
  return ExitCode::done;
}

/// The limit that was asked for, as far as this process may set it.
std::optional<bench::MemoryGroup> limit_memory(std::uint64_t bytes, Context& context) {
  if (bytes == 0) return std::nullopt;
  auto entered = bench::MemoryGroup::enter(bytes);
  if (entered) return *std::move(entered);
  context.console.warning("memory is not limited: " + entered.error().to_string());
  return std::nullopt;
}

Outcome<ExitCode> measure(BenchArguments arguments, Context& context) {
  const auto group = limit_memory(arguments.memory, context);
  const auto compression = std::ranges::find(kCompressions, arguments.table_compression);
  arguments.tables.compression =
      static_cast<rocks::TableShape::Compression>(compression - kCompressions.begin());
  if (arguments.table_parts) arguments.tables.partitioned = true;
  rocks::set_table_shape(arguments.tables);
  arguments.shape = bench::complete(
      arguments.workload == kState || arguments.workload == kForks ? "slots" : arguments.workload,
      arguments.shape);
  FLATKV_ASSIGN(const BenchDirectory directory,
                BenchDirectory::make(arguments.directory, arguments.keep));
  Progress progress(context.console, "bench");
  BenchPlan plan{.workload = arguments.workload,
                 .shape = arguments.shape,
                 .machine = bench::look_at_machine(directory.path()),
                 .durability = arguments.durability,
                 .cache = arguments.cache == CacheOptions::kAutomatic
                              ? std::nullopt
                              : std::optional(arguments.cache),
                 .write_buffer = arguments.write_buffer,
                 .memory = group ? std::optional(arguments.memory) : std::nullopt,
                 .in_flight = arguments.in_flight,
                 .recent_versions = arguments.recent_versions,
                 .prefetch = arguments.prefetch,
                 .tables = arguments.tables};
  if (arguments.workload == kForks) {
    return measure_forks(arguments, plan, directory, progress, context);
  }
  if (arguments.workload == kState) {
    bench::StateOptions options{.directory = directory.path(),
                                .shape = arguments.shape,
                                .store = store_options(arguments, context),
                                .log_blocks = arguments.log_blocks,
                                .seconds = arguments.seconds,
                                .stop = context.interrupts.token(),
                                .progress = progress_of(progress)};
    if (arguments.blocks != 0) options.catch_up_blocks = arguments.blocks;
    FLATKV_ASSIGN(const auto steps, bench::run_state(options));
    context.console.end_progress();
    FLATKV_TRY(show(to_json(plan, steps), true, context));
    return ExitCode::done;
  }
  FLATKV_ASSIGN(const auto workload, workload_of(arguments, context));
  const bench::RunOptions options{.directory = directory.path(),
                                  .store = store_options(arguments, context),
                                  .blocks = arguments.blocks,
                                  .seconds = arguments.seconds,
                                  .warm_up = arguments.warm_up,
                                  .floors = !arguments.no_floors,
                                  .rocksdb = arguments.rocksdb,
                                  .memory = group ? &*group : nullptr,
                                  .device_seconds = device_seconds(arguments),
                                  .prefetch = prefetch_time(arguments),
                                  .stop = context.interrupts.token(),
                                  .progress = progress_of(progress)};
  FLATKV_ASSIGN(const bench::RunReport report, bench::run(*workload, options));
  context.console.end_progress();
  plan.shape = arguments.shape;
  if (plan.shape.writes == 0) plan.shape.writes = report.writes / report.store.blocks.size();
  plan.cache = report.after.cache_memory;
  FLATKV_TRY(show(to_json(plan, report), false, context));
  return ExitCode::done;
}

void define(CLI::App& verb, BenchArguments& arguments) {
  verb.add_option("WORKLOAD", arguments.workload,
                  "mainnet, erc20, slots, constantinople, transfer: blocks; forks: siblings, "
                  "chains and undos of blocks that are not final; state: opening, snapshots, "
                  "moving, checking")
      ->required()
      ->check(CLI::IsMember(
          {kMainnet, "erc20", "slots", "constantinople", "transfer", kForks, kState}));
  const auto number = [&](const char* name, auto& into, const char* what, const char* unit,
                          std::uint64_t least) {
    return verb.add_option(name, into, what)->type_name(unit)->check(whole_number(least));
  };
  number("--rows", arguments.shape.rows, "Rows loaded before anything is measured", "N", 1);
  number("--writes", arguments.shape.writes, "Writes a block (erc20: transactions)", "N", 1);
  verb.add_option("--updates", arguments.shape.update_percent,
                  "slots: share of writes to existing rows")
      ->type_name("PERCENT")
      ->check(whole_number(0, 100))
      ->capture_default_str();
  number("--blocks", arguments.blocks, "Blocks measured, instead of --seconds", "N", 1);
  verb.add_option("--seconds", arguments.seconds, "Time measured, of the store's own blocks")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.01, 1e6))
      ->capture_default_str();
  number("--warm-up", arguments.warm_up, "Blocks that run before the measured ones", "N", 0)
      ->capture_default_str();
  number("--seed", arguments.shape.seed, "Determines every byte", "N", 0)->capture_default_str();
  verb.add_option("--durability", arguments.durability, "When a commit returns")
      ->check(CLI::IsMember({"sync", "process", "group"}))
      ->capture_default_str();
  number("--cache", arguments.cache, "Row cache (default: a quarter of memory up to 4 GiB)",
         "BYTES", 0);
  number("--key-filter", arguments.key_filter,
         "Memory limit of the filters of absent keys; 0 disables them", "BYTES", 0)
      ->capture_default_str();
  number("--block-cache", arguments.block_cache, "RocksDB's block cache", "BYTES", 0)
      ->capture_default_str();
  number("--write-buffer", arguments.write_buffer, "Committed rows in memory before a flush",
         "BYTES", 1)
      ->capture_default_str();
  verb.add_option("--threads", arguments.threads, "For hashing and scans; 0 is one per core")
      ->type_name("N")
      ->check(whole_number(0, 1024))
      ->capture_default_str();
  verb.add_option("--in-flight", arguments.in_flight, "The most rows read at the same time")
      ->type_name("N")
      ->check(whole_number(1, 1024))
      ->capture_default_str();
  number("--recent-versions", arguments.recent_versions,
         "Versions that can be viewed; they keep the rows that they hold in memory", "N", 0)
      ->capture_default_str();
  number("--memory", arguments.memory,
         "Once rows are loaded: limits memory to this, by a control group where one may be made",
         "BYTES", std::uint64_t{64} << 20);
  verb.add_option("--device", arguments.device,
                  "Blocks: time for reading the device alone, with one read in flight and with 32; "
                  "0: not (default: 2 with --memory)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 1e3));
  verb.add_option("--prefetch", arguments.prefetch,
                  "Blocks: names each block's rows to the store so long before the block")
      ->type_name("MILLISECONDS")
      ->check(whole_number(0, 60'000));
  number("--table-block", arguments.tables.block_bytes, "Bytes of a block of a table, uncompressed",
         "BYTES", 64)
      ->capture_default_str();
  verb.add_option("--table-compression", arguments.table_compression,
                  "Of tables that a compaction writes; those of a flush are never compressed")
      ->check(CLI::IsMember(kCompressions))
      ->capture_default_str();
  verb.add_option("--table-filter-bits", arguments.tables.filter_bits,
                  "Of a table's filter, for each key")
      ->type_name("BITS")
      ->check(CLI::Range(1.0, 100.0))
      ->capture_default_str();
  verb.add_flag("--table-partitioned", arguments.table_parts,
                "Index and filters of tables in parts, which the block cache holds");
  number("--log-blocks", arguments.log_blocks, "state: small blocks in the log", "N", 1)
      ->capture_default_str();
  verb.add_option("--file", arguments.file, "mainnet: the recorded blocks")
      ->type_name("FILE")
      ->capture_default_str();
  verb.add_option("--dir", arguments.directory,
                  "Where stores are made: an empty directory, or one of an earlier benchmark "
                  "(default: a new one in the directory for temporary files)")
      ->type_name("DIR");
  verb.add_flag("--keep", arguments.keep, "Keep the directory");
  verb.add_flag("--no-floors", arguments.no_floors, "Measure the store alone, without the floors");
  verb.add_flag("--rocksdb", arguments.rocksdb,
                "Measure RocksDB with default options, too, for scale");
}

}  // namespace

void add_bench(Registry& verbs) {
  verbs.add<BenchArguments>(
      "bench",
      "Measures the store on this machine, in turn with what it is built on; makes stores of its "
      "own and removes them",
      "flatkv bench slots --rows 1000000 --writes 1000 --updates 50 --durability sync", define,
      measure);
}

}  // namespace flatkv::cli

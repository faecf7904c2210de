// SPDX-License-Identifier: Apache-2.0
#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <limits>

#include "base/machine.hpp"
#include "rocks/compaction.hpp"
#include "rocks/rocks.hpp"
#include "rocks/table_shape.hpp"

// All RocksDB options. RocksDB provides order, atomic ingest, compaction and pinned reads; its
// memtables, its write-ahead log and writes beside ingest are not used.

namespace flatkv::rocks {
namespace {

/// Discards RocksDB's info log. Errors arrive by statuses and the listener; a log file inside the
/// database directory would have to be bounded, left out of clones and kept out of read-only opens.
class Silence : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  Silence() : Logger(rocksdb::InfoLogLevel::HEADER_LEVEL) {}
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

TableShape g_shape;

/// Index and filter are some fortieth of a table.
constexpr std::uint64_t kTableOverIndex = 40;

/// Whether the index and the filters of the database would take more than half of the memory that
/// this process may use.
bool outgrows_memory(const DbOptions& options) {
  std::vector<rocksdb::Env::FileAttributes> files;
  // What cannot be listed will be refused by who opens it.
  if (!environment(options)->GetChildrenFileAttributes(options.path, &files).ok()) return false;
  std::uint64_t bytes = 0;
  for (const auto& file : files) {
    if (file.name.ends_with(".sst")) bytes += file.size_bytes;
  }
  return bytes / kTableOverIndex > machine().memory / 2;
}

rocksdb::BlockBasedTableOptions table_options(const DbOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = options.block_cache;  // shared by the five databases, bounded by the store
  // On every level: most reads of old values are of new keys, which are absent.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(g_shape.filter_bits));
  table.whole_key_filtering = true;
  // Index and filters stay in memory with their open table: read through the block cache they make
  // reads 1.3 to 3 times as slow. Of partitioned ones only the top stays; the cache has the parts
  // in any case, and lets go of them last.
  table.cache_index_and_filter_blocks = false;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.partition_filters = g_shape.partitioned ? *g_shape.partitioned : outgrows_memory(options);
  table.index_type = table.partition_filters ? rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch
                                             : rocksdb::BlockBasedTableOptions::kBinarySearch;
  table.block_size = g_shape.block_bytes;
  table.checksum = rocksdb::kXXH3;
  table.format_version = 5;
  return table;
}

rocksdb::CompressionType compression_of(TableShape::Compression compression) {
  switch (compression) {
    case TableShape::Compression::none:
      return rocksdb::kNoCompression;
    case TableShape::Compression::lz4:
      return rocksdb::kLZ4Compression;
    case TableShape::Compression::zstd:
      break;
  }
  return rocksdb::kZSTD;
}

void choose_shape(rocksdb::Options& rocks) {
  rocks.compaction_style = rocksdb::kCompactionStyleLevel;
  // Every flush is a level-0 file that spans the whole key space, so each compaction of level 0
  // rewrites the base level: compact less often, into a larger base. (Measured with all sizes a
  // quarter, four levels, six million writes in 32 flushes: 2.0 bytes written per byte flushed,
  // against 3.3 with a trigger of 4; absent keys take 2.2 instead of 2.0 us.)
  rocks.level0_file_num_compaction_trigger = static_cast<int>(kCompactionFrom);
  rocks.max_bytes_for_level_base = std::uint64_t{1} << 30;
  rocks.target_file_size_base = std::uint64_t{64} << 20;
  rocks.level_compaction_dynamic_level_bytes = false;
  // An ingested table sinks as long as the levels above its overlaps are empty, so every level more
  // than the size needs is one more to search. Five are enough for a terabyte.
  rocks.num_levels = 5;
  // Ingest ignores RocksDB's write stalls; the store has its own back-pressure.
  rocks.level0_slowdown_writes_trigger = std::numeric_limits<int>::max();
  rocks.level0_stop_writes_trigger = std::numeric_limits<int>::max();
  rocks.soft_pending_compaction_bytes_limit = 0;
  rocks.hard_pending_compaction_bytes_limit = 0;
  // No compaction by age: nothing may depend on the clock.
  rocks.ttl = 0;
  rocks.periodic_compaction_seconds = 0;
  // Only `compression`: a `bottommost_compression` would apply to SstFileWriter, too.
  rocks.compression = compression_of(g_shape.compression);
  // Must stay off: it leaves the last level, where most absent keys are looked for, without
  // filters.
  rocks.optimize_filters_for_hits = false;
}

void choose_checks(rocksdb::Options& rocks) {
  rocks.paranoid_checks = true;
  rocks.force_consistency_checks = true;
  // Opening detects a table that was replaced by another one of the same name.
  rocks.verify_sst_unique_id_in_manifest = true;
  rocks.skip_checking_sst_file_sizes_on_db_open = false;
  rocks.best_efforts_recovery = false;
  // No automatic resume: the first background error fails the store until it is reopened.
  rocks.max_bgerror_resume_count = 0;
}

void switch_off_memtables_and_log(rocksdb::Options& rocks) {
  // RocksDB insists on one memtable and one log file; both stay empty.
  rocks.write_buffer_size = std::size_t{64} << 10;
  rocks.max_write_buffer_number = 2;
  rocks.avoid_flush_during_recovery = true;
  rocks.avoid_flush_during_shutdown = true;
  rocks.wal_recovery_mode = rocksdb::WALRecoveryMode::kAbsoluteConsistency;
  rocks.recycle_log_file_num = 0;
  rocks.info_log = std::make_shared<Silence>();
  rocks.stats_dump_period_sec = 0;  // no thread and no I/O for a log that nobody reads
  rocks.stats_persist_period_sec = 0;
}

}  // namespace

TableShape table_shape() noexcept { return g_shape; }
void set_table_shape(const TableShape& shape) noexcept { g_shape = shape; }

std::shared_ptr<rocksdb::Cache> make_block_cache(std::size_t bytes) {
  return rocksdb::NewLRUCache(bytes);
}

rocksdb::Options rocks_options(const DbOptions& options) {
  rocksdb::Options rocks;
  rocks.env = environment(options);
  rocks.create_if_missing = false;  // or a store that lost a file would open as an empty one
  rocks.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table_options(options)));
  choose_shape(rocks);
  choose_checks(rocks);
  switch_off_memtables_and_log(rocks);

  rocks.disable_auto_compactions = !options.background_compaction;
  // Half of the cores for all five databases: they share the pools of one environment.
  const unsigned cores = machine().cores;
  rocks.max_background_jobs = static_cast<int>(std::clamp(cores / 2, 2U, 8U));
  // A background thread deletes files, never a reader that drops the last reference.
  rocks.avoid_unnecessary_blocking_io = true;
  // Written data goes to the device in steps instead of one long sync at the end of a table.
  rocks.bytes_per_sync = std::uint64_t{1} << 20;
  rocks.compaction_readahead_size = std::size_t{2} << 20;
  // All tables stay open: reads need no table cache lookup, and open detects a missing table.
  // `open` bounds it where the process has too few descriptors.
  rocks.max_open_files = -1;
  // RocksDB starts all of these threads at every open of each of the five databases, even for one
  // table; its default of sixteen would dominate the time of an open on two cores.
  rocks.max_file_opening_threads = static_cast<int>(std::clamp(cores, 1U, 16U));
  // Do not read table properties at open to estimate compaction scores.
  rocks.skip_stats_update_on_db_open = true;
  // One record per flush and compaction; bounded so that checkpoints copy little.
  rocks.max_manifest_file_size = std::uint64_t{16} << 20;
  // The default preallocates 4 MiB on disk for each of the five databases.
  rocks.manifest_preallocation_size = std::size_t{64} << 10;
  // Would reserve the last level for ever.
  rocks.allow_ingest_behind = false;
  rocks.db_host_id.clear();  // keeps the host's name out of the tables
  return rocks;
}

}  // namespace flatkv::rocks

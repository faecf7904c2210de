#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <limits>

#include "base/machine.hpp"
#include "engine/compaction.hpp"
#include "engine/rocks.hpp"

// The one page of RocksDB options. RocksDB is used for order, atomic ingest, compaction and
// snapshots; never for its memtables, its log or its metadata beside rows (spec §4).

namespace flatkv::engine {
namespace {

/// Swallows RocksDB's info log. Errors reach us by statuses and the listener; a log file inside the
/// database directory would have to be bounded, cloned around, and kept out of read-only opens.
class Silence : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  Silence() : Logger(rocksdb::InfoLogLevel::HEADER_LEVEL) {}
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

rocksdb::BlockBasedTableOptions table_options(const DbOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = options.block_cache;  // shared by the five databases, bounded by the store
  // On every level: most old-value reads of new keys are of absent ones.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = true;
  // Index and filters stay in memory with their open table; through the block cache, or
  // partitioned, reads cost 1.3 to 3 times as much.
  table.cache_index_and_filter_blocks = false;
  table.partition_filters = false;
  table.index_type = rocksdb::BlockBasedTableOptions::kBinarySearch;
  table.block_size = 4096;  // larger or smaller: within the noise
  table.checksum = rocksdb::kXXH3;
  table.format_version = 5;
  return table;
}

void choose_shape(rocksdb::Options& rocks) {
  rocks.compaction_style = rocksdb::kCompactionStyleLevel;
  // Every flush is a level-0 file that spans the whole key space, so each compaction of level 0
  // rewrites the base level: fewer of them, into a larger base. (All sizes a quarter, four levels,
  // six million writes in 32 flushes: 2.0 bytes written per byte flushed; 3.3 with a trigger of 4,
  // for absent keys 2.0 instead of 2.2 us.)
  rocks.level0_file_num_compaction_trigger = static_cast<int>(kCompactionFrom);
  rocks.max_bytes_for_level_base = std::uint64_t{1} << 30;
  rocks.target_file_size_base = std::uint64_t{64} << 20;
  rocks.level_compaction_dynamic_level_bytes = false;
  // An ingested table goes below level 0 while a level above its overlaps is empty, so every level
  // beyond those that the size needs is one more place to look in. Five reach to a terabyte.
  rocks.num_levels = 5;
  // Ingest obeys no stall of RocksDB's; back-pressure is the store's own.
  rocks.level0_slowdown_writes_trigger = std::numeric_limits<int>::max();
  rocks.level0_stop_writes_trigger = std::numeric_limits<int>::max();
  rocks.soft_pending_compaction_bytes_limit = 0;
  rocks.hard_pending_compaction_bytes_limit = 0;
  // Nothing depends on the clock.
  rocks.ttl = 0;
  rocks.periodic_compaction_seconds = 0;
  // `compression` alone: `bottommost_compression`, where set, would also be SstFileWriter's.
  rocks.compression = rocksdb::kLZ4Compression;
  // Never: it leaves the last level without filters, where absent keys are looked for most.
  rocks.optimize_filters_for_hits = false;
}

void choose_checks(rocksdb::Options& rocks) {
  rocks.paranoid_checks = true;
  rocks.force_consistency_checks = true;
  // A table that was replaced by another one of the same name is found out when it is opened.
  rocks.verify_sst_unique_id_in_manifest = true;
  rocks.skip_checking_sst_file_sizes_on_db_open = false;
  rocks.best_efforts_recovery = false;
  // No resuming behind our back: the first background error fails the store until it is reopened.
  rocks.max_bgerror_resume_count = 0;
}

void switch_off_memtables_and_log(rocksdb::Options& rocks) {
  // RocksDB insists on one memtable and one empty log file; nothing ever enters them.
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

std::shared_ptr<rocksdb::Cache> make_block_cache(std::size_t bytes) {
  return rocksdb::NewLRUCache(bytes);
}

rocksdb::Options rocks_options(const DbOptions& options) {
  rocksdb::Options rocks;
  rocks.env = environment(options);
  rocks.create_if_missing = false;  // `open` turns it on for Mode::create alone (trap 35)
  rocks.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table_options(options)));
  choose_shape(rocks);
  choose_checks(rocks);
  switch_off_memtables_and_log(rocks);

  rocks.disable_auto_compactions = !options.background_compaction;
  // Half of the cores, for all five databases together: they share the pools of one environment.
  const unsigned cores = machine().cores;
  rocks.max_background_jobs = static_cast<int>(std::clamp(cores / 2, 2U, 8U));
  // Files are deleted by a background thread, never by a reader that lets go of the last reference.
  rocks.avoid_unnecessary_blocking_io = true;
  // Written data goes to the device in steps, not in one long sync at the end of a table.
  rocks.bytes_per_sync = std::uint64_t{1} << 20;
  rocks.compaction_readahead_size = std::size_t{2} << 20;
  // Every table stays open: no lookup in a table cache on reads, and a damaged one is found by
  // open. `open` bounds it where the process has too few descriptors.
  rocks.max_open_files = -1;
  // RocksDB starts all of these threads at every open of each of the five, be there one table: its
  // sixteen cost an open on two cores more than all else.
  rocks.max_file_opening_threads = static_cast<int>(std::clamp(cores, 1U, 16U));
  // Open reads no table properties to estimate compaction scores.
  rocks.skip_stats_update_on_db_open = true;
  // One record per flush and compaction; bounded so that checkpoints copy little.
  rocks.max_manifest_file_size = std::uint64_t{16} << 20;
  // The default sets 4 MiB aside on disk for each of the five databases.
  rocks.manifest_preallocation_size = std::size_t{64} << 10;
  // Levels could not be ingested behind without reserving the last one for ever.
  rocks.allow_ingest_behind = false;
  rocks.db_host_id.clear();  // tables do not tell where they were made
  return rocks;
}

}  // namespace flatkv::engine

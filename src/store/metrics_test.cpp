// SPDX-License-Identifier: Apache-2.0
#include "flatkv/metrics.hpp"

#include <fcntl.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "store/test_store.hpp"

namespace flatkv::store {
namespace {

/// "name{label=value}" and the value, or the number of observations.
std::map<std::string, double> flat(const std::vector<MetricFamily>& families) {
  std::map<std::string, double> values;
  for (const MetricFamily& family : families) {
    for (const MetricSample& sample : family.samples) {
      std::string name = family.name;
      for (const auto& [label, value] : sample.labels) name += "{" + label + "=" + value + "}";
      const bool counted = family.kind == MetricKind::histogram;
      values[name] = counted ? static_cast<double>(sample.counts.back()) : sample.value;
    }
  }
  return values;
}

Options options() {
  Options options;
  options.snapshot.interval = 0;
  options.cache.row_cache_bytes = 1 << 20;
  options.scrub.mode = Scrub::by_hand;
  options.durability = Durability::process;
  return options;
}

TEST(Metrics, FollowWhatHappens) {
  const TempDir directory;
  CommitStore store = open_new(directory / "store", options());
  auto before = flat(must(store_metrics(store)));
  EXPECT_EQ(before["flatkv_version"], 0);
  EXPECT_EQ(before["flatkv_block_duration_seconds"], 0);
  EXPECT_EQ(before.count("flatkv_snapshot_last_version"), 0U);
  for (unsigned block = 1; block <= 3; ++block) {
    must(Block().slot(1, block, block).commit(store));
  }
  must(store.snapshot());
  for (int database = 0; database < 4; ++database) must(store.scrub(10));
  auto after = flat(must(store_metrics(store)));
  EXPECT_EQ(after["flatkv_version"], 3);
  EXPECT_EQ(after["flatkv_block_duration_seconds"], 3);
  for (const char* phase : {"route", "read", "hash", "log", "buffer", "publish", "wait"}) {
    EXPECT_EQ(after["flatkv_block_phase_duration_seconds{phase=" + std::string(phase) + "}"], 3);
  }
  EXPECT_EQ(after["flatkv_flush_duration_seconds"], 1);
  EXPECT_EQ(after["flatkv_flushed_tables_total{database=storage}"], 1);
  EXPECT_GT(after["flatkv_table_bytes{database=storage}"], 0);
  EXPECT_GT(after["flatkv_log_appended_bytes_total"], 0);
  EXPECT_EQ(after["flatkv_snapshot_last_version"], 3);
  EXPECT_EQ(after["flatkv_snapshots_written_total"], 1);
  EXPECT_GT(after["flatkv_snapshot_last_timestamp_seconds"], 1.6e9);
  EXPECT_GT(after["flatkv_disk_free_bytes"], 0);
  EXPECT_EQ(after["flatkv_store_failed"], 0);
  EXPECT_EQ(after["flatkv_scrub_findings"], 0);
  EXPECT_EQ(after["flatkv_scrub_rows_total"], 3);
}

TEST(Metrics, ReplayedBlocksAreThoseOfTheOpen) {
  const TempDir directory;
  {
    CommitStore store = open_new(directory / "store", options());
    for (unsigned block = 1; block <= 5; ++block) {
      must(Block().slot(1, block, block).commit(store));
    }
    std::filesystem::copy(directory / "store", directory / "killed",
                          std::filesystem::copy_options::recursive);
  }
  const CommitStore store = open_new(directory / "killed", options());
  EXPECT_EQ(flat(must(store_metrics(store)))["flatkv_open_replayed_blocks"], 5);
}

TEST(Metrics, HaveTheNamesAndUnitsOfPrometheus) {
  const TempDir directory;
  const CommitStore store = open_new(directory / "store", options());
  std::vector<MetricFamily> families = must(store_metrics(store));
  std::ranges::copy(must(process_metrics()), std::back_inserter(families));
  std::set<std::string> names;
  for (const MetricFamily& family : families) {
    EXPECT_TRUE(names.insert(family.name).second) << family.name;
    EXPECT_TRUE(family.name.starts_with("flatkv_") || family.name.starts_with("process_"));
    EXPECT_EQ(family.name.ends_with("_total"), family.kind == MetricKind::counter) << family.name;
    EXPECT_FALSE(family.help.empty());
    EXPECT_FALSE(family.samples.empty()) << family.name;
    for (const MetricSample& sample : family.samples) {
      if (family.kind != MetricKind::histogram) {
        EXPECT_TRUE(sample.counts.empty() && sample.sum == 0) << family.name;
        continue;
      }
      ASSERT_EQ(sample.counts.size(), family.bounds.size() + 1);
      EXPECT_TRUE(std::ranges::is_sorted(sample.counts));
      EXPECT_EQ(sample.value, 0);
    }
    EXPECT_TRUE(std::ranges::is_sorted(family.bounds));
  }
  EXPECT_TRUE(names.contains("process_open_fds"));
}

TEST(Metrics, AreTheFiguresOfTheStore) {
  const auto begun = std::chrono::steady_clock::now();
  const TempDir directory;
  CommitStore store = open_new(directory / "store", options());
  for (unsigned block = 1; block <= 3; ++block) {
    must(Block().slot(1, block, block).commit(store));
    if (block == 2) must(store.flush());
  }
  must(store.get(Block::slot_key(1, 1)));
  const std::vector<MetricFamily> families = must(store_metrics(store));
  auto found = flat(families);
  const StoreMetrics metrics = store.metrics();
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begun;
  for (const auto& [name, wanted] : std::initializer_list<std::pair<const char*, std::uint64_t>>{
           {"flatkv_log_appended_bytes_total", metrics.log_bytes},
           {"flatkv_ignored_change_sets_total", metrics.ignored_change_sets},
           {"flatkv_compaction_written_bytes_total", metrics.compaction_bytes},
           {"flatkv_memory_bytes{use=write_buffers}", metrics.buffer_memory},
           {"flatkv_memory_bytes{use=views}", metrics.view_memory},
           {"flatkv_memory_bytes{use=recent_versions}", metrics.recent_memory},
           {"flatkv_memory_bytes{use=overlays}", metrics.overlay_memory},
           {"flatkv_memory_bytes{use=row_cache}", metrics.cache_memory},
           {"flatkv_memory_bytes{use=key_filter}", metrics.key_filter_memory},
           {"flatkv_row_cache_hits_total", metrics.cache_hits},
           {"flatkv_row_cache_misses_total", metrics.cache_misses},
           {"flatkv_key_filter_answers_total", metrics.key_filter_answers},
           {"flatkv_table_reads_total", metrics.table_reads},
           {"flatkv_recent_versions", metrics.recent_versions},
           {"flatkv_superseded_bytes", metrics.superseded_bytes}}) {
    EXPECT_EQ(found.at(name), static_cast<double>(wanted)) << name;
  }
  EXPECT_EQ(found["flatkv_durable_version"], static_cast<double>(store.durable_version()));
  EXPECT_EQ(found["flatkv_undo_floor_version"], static_cast<double>(metrics.undo_floor));
  for (const Database database : kAllDatabases) {
    const std::string label = "{database=" + std::string(to_string(database)) + "}";
    const FlushMetrics& own = metrics.flushed[database];
    EXPECT_EQ(found.at("flatkv_flushed_tables_total" + label), static_cast<double>(own.tables));
    EXPECT_EQ(found.at("flatkv_flushed_bytes_total" + label), static_cast<double>(own.bytes));
    EXPECT_NEAR(found.at("flatkv_flushed_seconds_total" + label),
                static_cast<double>(own.nanoseconds) / 1e9, 1e-9);
  }
  EXPECT_EQ(metrics.flushes, 1U);
  std::uint64_t bytes = 0;
  for (const FlushMetrics& own : metrics.flushed) bytes += own.bytes;
  EXPECT_EQ(metrics.flushed_bytes, bytes);
  const CommitTimings last = store.last_timings();
  for (const std::uint64_t one : {metrics.flush_nanoseconds, last.route, last.read, last.hash,
                                  last.log, last.buffer, last.publish, last.wait}) {
    EXPECT_GT(one, 0U);
    EXPECT_LT(static_cast<double>(one) / 1e9, passed.count());
  }
  const auto space = std::filesystem::space(directory / "store");
  EXPECT_EQ(found["flatkv_disk_size_bytes"], static_cast<double>(space.capacity));
  EXPECT_GT(found["flatkv_disk_free_bytes"], static_cast<double>(space.available) / 2);
  EXPECT_LT(found["flatkv_disk_free_bytes"], static_cast<double>(space.available) * 2);
  for (const MetricFamily& family : families) {
    if (!family.name.ends_with("_duration_seconds")) continue;
    if (family.kind == MetricKind::histogram) {
      EXPECT_GT(family.bounds.front(), 0) << family.name;
      EXPECT_LT(family.bounds.back(), 1000) << family.name;
    }
    for (const MetricSample& sample : family.samples) {
      EXPECT_LT(sample.value + sample.sum, passed.count()) << family.name;
    }
  }
  const auto blocks =
      std::ranges::find(families, "flatkv_block_duration_seconds", &MetricFamily::name);
  ASSERT_NE(blocks, families.end());
  EXPECT_GT(blocks->samples.at(0).sum, 0);
}

TEST(Metrics, WhatIsFlushedIsNotFlushedAgain) {
  const TempDir directory;
  CommitStore store = open_new(directory / "store", options());
  must(store.flush());
  EXPECT_EQ(store.metrics().flushes, 0U);
  must(Block().slot(1, 1, 1).commit(store));
  must(store.flush());
  must(store.flush());
  EXPECT_EQ(store.metrics().flushes, 1U);
  must(store.commit(2));  // an empty block has a version, too
  must(store.flush());
  EXPECT_EQ(store.metrics().flushes, 2U);
}

// Dashboards and alerts have these names.
TEST(Metrics, NoneIsMissing) {
  const TempDir directory;
  CommitStore store = open_new(directory / "store", options());
  must(Block().slot(1, 1, 1).commit(store));
  must(store.snapshot());
  std::vector<MetricFamily> families = must(store_metrics(store));
  std::ranges::copy(must(process_metrics()), std::back_inserter(families));
  std::set<std::string> names;
  for (const MetricFamily& family : families) names.insert(family.name);
  EXPECT_EQ(names, (std::set<std::string>{"flatkv_block_duration_seconds",
                                          "flatkv_block_phase_duration_seconds",
                                          "flatkv_compaction_written_bytes_total",
                                          "flatkv_disk_free_bytes",
                                          "flatkv_disk_size_bytes",
                                          "flatkv_durable_version",
                                          "flatkv_flush_duration_seconds",
                                          "flatkv_flushed_bytes_total",
                                          "flatkv_flushed_seconds_total",
                                          "flatkv_flushed_tables_total",
                                          "flatkv_ignored_change_sets_total",
                                          "flatkv_key_filter_answers_total",
                                          "flatkv_level0_files",
                                          "flatkv_log_appended_bytes_total",
                                          "flatkv_memory_bytes",
                                          "flatkv_open_replayed_blocks",
                                          "flatkv_pending_compaction_bytes",
                                          "flatkv_prefetched_rows_total",
                                          "flatkv_read_threads",
                                          "flatkv_recent_versions",
                                          "flatkv_row_cache_hits_total",
                                          "flatkv_row_cache_misses_total",
                                          "flatkv_running_compactions",
                                          "flatkv_scrub_failed_saves_total",
                                          "flatkv_scrub_findings",
                                          "flatkv_scrub_round",
                                          "flatkv_scrub_round_ratio",
                                          "flatkv_scrub_rows_total",
                                          "flatkv_snapshot_failures_total",
                                          "flatkv_snapshot_last_duration_seconds",
                                          "flatkv_snapshot_last_failed",
                                          "flatkv_snapshot_last_timestamp_seconds",
                                          "flatkv_snapshot_last_version",
                                          "flatkv_snapshots_written_total",
                                          "flatkv_store_failed",
                                          "flatkv_superseded_bytes",
                                          "flatkv_table_bytes",
                                          "flatkv_table_reads_total",
                                          "flatkv_undo_floor_version",
                                          "flatkv_version",
                                          "process_max_fds",
                                          "process_open_fds",
                                          "process_resident_memory_bytes"}));
}

TEST(Metrics, OpenDescriptorsAreCounted) {
  const double before = flat(must(process_metrics()))["process_open_fds"];
  const std::ifstream one("/dev/null");
  const std::ifstream two("/dev/null");
  EXPECT_EQ(flat(must(process_metrics()))["process_open_fds"], before + 2);
  EXPECT_GT(before, 2);
  EXPECT_LT(before, 1e6);
}

TEST(Metrics, OfTheProcessAreWhatTheSystemSays) {
  auto found = flat(must(process_metrics()));
  int open = 0;
  for (int one = 0; one < 4096; ++one) open += ::fcntl(one, F_GETFD) >= 0 ? 1 : 0;
  EXPECT_EQ(found["process_open_fds"], open);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(found["process_max_fds"], limit.rlim_cur == RLIM_INFINITY
                                          ? std::numeric_limits<double>::infinity()
                                          : static_cast<double>(limit.rlim_cur));
  std::ifstream status("/proc/self/status");
  std::string word;
  double resident = 0;
  while (status >> word) {
    if (word == "VmRSS:") status >> resident;  // in KiB
  }
  EXPECT_GT(found["process_resident_memory_bytes"], resident * 1024 * 0.7);
  EXPECT_LT(found["process_resident_memory_bytes"], resident * 1024 * 1.3);
}

TEST(Metrics, CanBeTakenBesideTheWriter) {
  const TempDir directory;
  CommitStore store = open_new(directory / "store", options());
  std::atomic<bool> done = false;
  std::thread reader([&] {
    double last = 0;
    while (!done) {
      auto now = flat(must(store_metrics(store)));
      EXPECT_GE(now["flatkv_block_duration_seconds"], last);
      last = now["flatkv_block_duration_seconds"];
    }
  });
  for (unsigned block = 1; block <= 200; ++block) {
    must(Block().slot(1, block, block).commit(store));
    if (block % 50 == 0) must(store.flush());
  }
  must(store.close());
  done = true;
  reader.join();
  EXPECT_EQ(flat(must(store_metrics(store)))["flatkv_block_duration_seconds"], 200);
}

}  // namespace
}  // namespace flatkv::store

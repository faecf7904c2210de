// SPDX-License-Identifier: Apache-2.0
#include "flatkv/metrics.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <memory>
#include <optional>

#include "base/guard.hpp"
#include "base/internals.hpp"
#include "store/commit_store.hpp"

namespace flatkv {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Families {
 public:
  /// A metric with one value.
  void gauge(const char* name, const char* help, double value) {
    begin(name, help, MetricKind::gauge).samples.push_back({{}, value, {}, 0});
  }
  void counter(const char* name, const char* help, double value) {
    begin(name, help, MetricKind::counter).samples.push_back({{}, value, {}, 0});
  }
  MetricFamily& begin(const char* name, const char* help, MetricKind kind) {
    return all_.emplace_back(MetricFamily{name, help, kind, {}, {}});
  }
  MetricFamily& histogram(const char* name, const char* help) {
    MetricFamily& family = begin(name, help, MetricKind::histogram);
    for (const std::uint64_t bound : commit::DurationCounts::kBounds) {
      family.bounds.push_back(static_cast<double>(bound) * 1e-9);
    }
    return family;
  }
  std::vector<MetricFamily> take() { return std::move(all_); }

 private:
  std::vector<MetricFamily> all_;
};

double number(std::uint64_t count) { return static_cast<double>(count); }
double number(std::int64_t version) { return static_cast<double>(version); }
double number(bool whether) { return whether ? 1 : 0; }
double seconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) * 1e-9; }

void add(MetricFamily& family, const commit::DurationCounts& durations, Labels labels = {}) {
  MetricSample sample{std::move(labels), 0, {}, seconds(durations.nanoseconds)};
  std::uint64_t below = 0;
  for (const std::uint64_t count : durations.counts) sample.counts.push_back(below += count);
  family.samples.push_back(std::move(sample));
}

/// One value for each of `databases`.
template <class Databases, class Value>
void per_database(MetricFamily& family, const Databases& databases, Value value) {
  for (const Database database : databases) {
    family.samples.push_back(
        {{{"database", std::string(to_string(database))}}, value(database), {}, 0});
  }
}

void add_versions(Families& to, const CommitStore& store, const StoreMetrics& metrics,
                  bool failed) {
  to.gauge("flatkv_version", "Last committed version.", number(store.version()));
  to.gauge("flatkv_durable_version", "Last version known to be on stable storage.",
           number(store.durable_version()));
  to.gauge("flatkv_undo_floor_version", "Lowest version that a rollback reaches in milliseconds.",
           number(metrics.undo_floor));
  to.gauge("flatkv_recent_versions", "Versions whose state can be read without a clone.",
           number(metrics.recent_versions));
  to.gauge("flatkv_store_failed",
           "1 if the store has failed: writes are refused until it is opened again.",
           number(failed));
}

void add_commits(Families& to, const commit::Figures& figures, const StoreMetrics& metrics) {
  const auto& commits = figures.commits;
  add(to.histogram("flatkv_block_duration_seconds",
                   "Time that the store took for a block, from its writes to its publication."),
      commits.whole);
  MetricFamily& phases = to.histogram("flatkv_block_phase_duration_seconds",
                                      "The same by phase: route, read, hash, log, buffer, publish, "
                                      "and wait for a flush.");
  for (const auto& [name, durations] :
       {std::pair{"route", &commits.route}, std::pair{"read", &commits.read},
        std::pair{"hash", &commits.hash}, std::pair{"log", &commits.log},
        std::pair{"buffer", &commits.buffer}, std::pair{"publish", &commits.publish},
        std::pair{"wait", &commits.wait}}) {
    add(phases, *durations, {{"phase", name}});
  }
  to.counter("flatkv_log_appended_bytes_total", "Bytes appended to the log.",
             number(metrics.log_bytes));
  to.counter("flatkv_ignored_change_sets_total", "Change sets of modules other than evm.",
             number(metrics.ignored_change_sets));
}

void add_flushes(Families& to, const commit::Figures& figures, const StoreMetrics& metrics) {
  add(to.histogram("flatkv_flush_duration_seconds",
                   "Time of whole flushes, with the snapshot that follows some of them."),
      figures.flushes);
  per_database(
      to.begin("flatkv_flushed_tables_total", "Tables written by flushes.", MetricKind::counter),
      kAllDatabases, [&](Database d) { return number(metrics.flushed[d].tables); });
  per_database(to.begin("flatkv_flushed_bytes_total", "Bytes of tables written by flushes.",
                        MetricKind::counter),
               kAllDatabases, [&](Database d) { return number(metrics.flushed[d].bytes); });
  per_database(to.begin("flatkv_flushed_seconds_total", "Time that flushes took of each database.",
                        MetricKind::counter),
               kAllDatabases, [&](Database d) { return seconds(metrics.flushed[d].nanoseconds); });
  to.counter("flatkv_compaction_written_bytes_total", "Bytes of tables written by compactions.",
             number(metrics.compaction_bytes));
  per_database(to.begin("flatkv_level0_files", "Tables of level 0; flushes wait above the limit.",
                        MetricKind::gauge),
               kAllDatabases,
               [&](Database d) { return number(figures.tables[d].pressure.level0_files); });
  per_database(to.begin("flatkv_pending_compaction_bytes",
                        "Bytes that compactions have yet to rewrite.", MetricKind::gauge),
               kAllDatabases, [&](Database d) {
                 return number(figures.tables[d].pressure.pending_compaction_bytes);
               });
  per_database(
      to.begin("flatkv_running_compactions", "Compactions that run now.", MetricKind::gauge),
      kAllDatabases,
      [&](Database d) { return number(figures.tables[d].pressure.running_compactions); });
}

void add_memory(Families& to, const StoreMetrics& metrics) {
  MetricFamily& memory =
      to.begin("flatkv_memory_bytes", "Memory in use, by what it is for.", MetricKind::gauge);
  for (const auto& [use, bytes] : {std::pair{"write_buffers", metrics.buffer_memory},
                                   {"views", metrics.view_memory},
                                   {"recent_versions", metrics.recent_memory},
                                   {"overlays", metrics.overlay_memory},
                                   {"row_cache", metrics.cache_memory},
                                   {"key_filter", metrics.key_filter_memory}}) {
    memory.samples.push_back({{{"use", use}}, number(bytes), {}, 0});
  }
  to.counter("flatkv_row_cache_hits_total", "Rows found in the row cache.",
             number(metrics.cache_hits));
  to.counter("flatkv_row_cache_misses_total", "Rows looked for in the row cache in vain.",
             number(metrics.cache_misses));
  to.counter("flatkv_key_filter_answers_total", "Keys proved absent without a table read.",
             number(metrics.key_filter_answers));
  to.counter("flatkv_table_reads_total", "Rows looked up in the tables.",
             number(metrics.table_reads));
  to.gauge("flatkv_read_threads", "Threads that run to read rows from the device.",
           number(metrics.read_threads));
  MetricFamily& prefetched =
      to.begin("flatkv_prefetched_rows_total",
               "Rows that prefetch was asked for, by what became of them.", MetricKind::counter);
  for (const auto& [end, rows] : {std::pair{"loaded", metrics.prefetch.loaded},
                                  {"hit", metrics.prefetch.hit},
                                  {"dropped", metrics.prefetch.dropped}}) {
    prefetched.samples.push_back({{{"outcome", end}}, number(rows), {}, 0});
  }
}

void add_disk(Families& to, const commit::CoreSetup& setup, const commit::Figures& figures,
              const StoreMetrics& metrics) {
  per_database(to.begin("flatkv_table_bytes", "Bytes of the tables in use.", MetricKind::gauge),
               kAllDatabases, [&](Database d) { return number(figures.tables[d].bytes); });
  to.gauge("flatkv_superseded_bytes",
           "Upper bound of the bytes that compaction keeps for views and recent versions.",
           number(metrics.superseded_bytes));
  struct statvfs info{};
  if (::statvfs(setup.store.c_str(), &info) == 0) {
    to.gauge("flatkv_disk_free_bytes", "Free on the file system of the store, for its user.",
             number(std::uint64_t{info.f_bavail}) * number(std::uint64_t{info.f_frsize}));
    to.gauge("flatkv_disk_size_bytes", "Size of the file system of the store.",
             number(std::uint64_t{info.f_blocks}) * number(std::uint64_t{info.f_frsize}));
  }
}

void add_snapshots(Families& to, const commit::SnapshotCounts& snapshots) {
  to.counter("flatkv_snapshots_written_total", "Snapshots written.", number(snapshots.written));
  to.counter("flatkv_snapshot_failures_total", "Snapshots that could not be written.",
             number(snapshots.failed));
  to.gauge("flatkv_snapshot_last_failed", "1 if the last snapshot could not be written.",
           number(snapshots.last_failed));
  if (!snapshots.last_version) return;
  to.gauge("flatkv_snapshot_last_version", "Version of the last snapshot written since the open.",
           number(*snapshots.last_version));
  to.gauge("flatkv_snapshot_last_timestamp_seconds", "When that was, since 1970.",
           number(snapshots.last_time));
  to.gauge("flatkv_snapshot_last_duration_seconds", "How long it took.",
           seconds(snapshots.last_nanoseconds));
}

void add_scrub(Families& to, const CommitStore& store) {
  const auto found = store.scrub_status();
  if (!found || !*found) return;
  const ScrubStatus& scrub = **found;
  to.gauge("flatkv_scrub_round", "The round of the scrub that is under way.",
           number(scrub.progress.round));
  to.gauge("flatkv_scrub_round_ratio", "How much of the round is done, by rows.", scrub.fraction);
  to.counter("flatkv_scrub_rows_total", "Rows read by the scrub.", number(scrub.rows));
  to.gauge("flatkv_scrub_findings",
           "Findings of damage since the open, of which the newest 100 are kept.",
           number(std::uint64_t{scrub.findings.size()}));
  to.counter("flatkv_scrub_failed_saves_total", "How often its progress could not be saved.",
             number(scrub.failed_saves));
}

/// Those of the process; nothing where /proc does not tell. Not by std::filesystem, whose iterators
/// end the process where there is no memory for a name.
std::optional<std::uint64_t> open_descriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir("/proc/self/fd"), ::closedir);
  if (!listing) return std::nullopt;
  std::uint64_t count = 0;
  while (const dirent* entry = ::readdir(listing.get())) count += entry->d_name[0] != '.' ? 1U : 0U;
  return count - 1;  // the one that lists them is among them
}

}  // namespace

Result<std::vector<MetricFamily>> store_metrics(const CommitStore& store) {
  return guarded([&]() -> Result<std::vector<MetricFamily>> {
    const auto& impl = Internals::impl(store);
    const auto core = impl.shared();
    const commit::Figures figures = core->figures();
    const StoreMetrics metrics = core->metrics();
    Families to;
    add_versions(to, store, metrics, figures.failed);
    add_commits(to, figures, metrics);
    add_flushes(to, figures, metrics);
    add_memory(to, metrics);
    add_disk(to, core->setup(), figures, metrics);
    add_snapshots(to, figures.snapshots);
    add_scrub(to, store);
    to.gauge("flatkv_open_replayed_blocks", "Blocks that the open replayed from the log.",
             number(impl.replayed_blocks.load()));
    return to.take();
  });
}

Result<std::vector<MetricFamily>> process_metrics() {
  return guarded([&]() -> Result<std::vector<MetricFamily>> {
    Families to;
    if (const auto descriptors = open_descriptors()) {
      to.gauge("process_open_fds", "Open file descriptors.", number(*descriptors));
    }
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
      to.gauge("process_max_fds", "Limit of open file descriptors.",
               limit.rlim_cur == RLIM_INFINITY ? std::numeric_limits<double>::infinity()
                                               : number(std::uint64_t{limit.rlim_cur}));
    }
    std::ifstream pages("/proc/self/statm");
    std::uint64_t all = 0;
    std::uint64_t resident = 0;
    if (pages >> all >> resident) {
      const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
      to.gauge("process_resident_memory_bytes", "Resident memory.", number(resident) * page);
    }
    return to.take();
  });
}

}  // namespace flatkv

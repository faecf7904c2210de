// SPDX-License-Identifier: Apache-2.0
#include "flatkv/tools/inspect.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <ranges>
#include <set>

#include "base/bytes.hpp"
#include "base/guard.hpp"
#include "base/machine.hpp"
#include "fs/files.hpp"
#include "inspect/advice.hpp"
#include "inspect/log_coverage.hpp"
#include "inspect/read_only_store.hpp"
#include "layout/lock.hpp"
#include "layout/scrub_mark.hpp"
#include "layout/snapshot_chain.hpp"
#include "layout/snapshot_manifest.hpp"
#include "read/read_view.hpp"
#include "recovery/live_generation.hpp"
#include "recovery/recovery_analysis.hpp"
#include "state/host.hpp"

namespace flatkv {
namespace {

using layout::SnapshotEntry;
using recovery::LiveGeneration;
using recovery::RecoveryAnalysis;

/// Adds up file sizes, each inode once. Ignores what cannot be read: a writer may remove files
/// meanwhile.
class FileBytes {
 public:
  explicit FileBytes(fs::FileSystem& files) : files_(files) {}

  std::uint64_t below(const std::string& path) {
    std::uint64_t total = 0;
    const auto entries = files_.list(path);
    if (!entries) return 0;
    for (const fs::DirEntry& entry : *entries) {
      const std::string child = fs::join(path, entry.name);
      if (entry.type == fs::FileType::directory) {
        total += below(child);
      } else if (const auto info = files_.stat(child)) {
        if (seen_.emplace(info->device, info->inode).second) total += info->size;
      }
    }
    return total;
  }

 private:
  fs::FileSystem& files_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen_;
};

/// Describes the versions that snapshots and log can produce, and the committed version if the
/// working copy is usable.
void describe_reach(fs::FileSystem& files, const LiveGeneration& place,
                    const layout::Manifest& manifest, const std::vector<SnapshotEntry>& snapshots,
                    std::optional<std::int64_t> committed, StoreInfo& info) {
  std::optional<Error> ignored;  // reported elsewhere
  std::vector<VersionRange> ranges;
  const auto reach = recovery::find_reach(files, place, manifest, snapshots, ignored);
  if (reach) ranges = recovery::ranges_of(*reach);
  if (committed) ranges.push_back({*committed, *committed});
  info.reachable = recovery::joined(std::move(ranges));
}

SnapshotInfo describe(const SnapshotEntry& entry) {
  SnapshotInfo info;
  info.version = entry.version;
  info.path = entry.path;
  if (!entry.manifest) {
    info.problem = entry.manifest.error();
    return info;
  }
  info.roots = layout::roots_of(entry.manifest->state.hashes);
  info.stats = entry.manifest->state.stats;
  for (const auto& file : entry.manifest->files) info.bytes += file.bytes;
  return info;
}

void describe(const layout::Manifest& manifest, StoreInfo& info) {
  info.format = manifest.format;
  info.store_id = to_hex(manifest.store);
  info.account_rows = manifest.account_rows;
  info.initial_version = manifest.initial_version;
}

void describe(const changelog::LogWalk& log, StoreInfo& info) {
  LogReader::Range range{log.base.version, log.tip.version, 0};
  for (const auto& segment : log.segments) range.bytes += segment.file_bytes;
  info.log = range;
}

/// Only progress: the next open reports a bad mark.
void describe_scrub(fs::FileSystem& files, const std::string& generation, StoreInfo& info) {
  const auto mark = layout::read_scrub_mark(files, generation);
  if (mark && *mark) info.scrub = (*mark)->progress;
}

/// A writer has the databases open, so describe them from the newest snapshot.
void describe_from_snapshot(const std::vector<SnapshotEntry>& snapshots, StoreInfo& info) {
  info.databases_from_snapshot = true;
  const auto valid = [](const SnapshotEntry& entry) { return entry.manifest.has_value(); };
  const auto newest = std::ranges::find_if(snapshots | std::views::reverse, valid);
  for (const Database which : kAllDatabases) {
    StoreInfo::DatabaseInfo own;
    own.database = which;
    if (newest != snapshots.rend()) {
      own.version = newest->version;
      if (which != Database::metadata) {
        own.stats = newest->manifest->state.stats[which];
      }
      for (const auto& file : newest->manifest->files) {
        if (file.path.starts_with(std::string(to_string(which)) + "/")) own.bytes += file.bytes;
      }
    }
    info.databases.push_back(std::move(own));
  }
}

Result<StoreInfo> inspect_beside_writer(fs::FileSystem& files, const LiveGeneration& place) {
  StoreInfo info;
  info.locked = true;
  info.generation = place.choice.name;
  FLATKV_ASSIGN(const auto manifest, layout::read_manifest(files, place.generation));
  describe(manifest, info);
  FLATKV_ASSIGN(const auto snapshots, layout::list_chain_snapshots(files, place.generation, true));
  for (const SnapshotEntry& entry : snapshots) info.snapshots.push_back(describe(entry));
  FLATKV_ASSIGN(const auto log, recovery::walk_whole_log(files, place, manifest.store));
  if (!log) {
    return fail(ErrorCode::corruption, "there is no changelog")
        .path(layout::changelog_path(place.generation));
  }
  describe(*log, info);
  // Damage below the newest snapshot tells nothing about the writer's position.
  std::int64_t newest = manifest.initial_version - 1;
  for (const SnapshotEntry& entry : snapshots) {
    if (entry.manifest) newest = std::max(newest, entry.version);
  }
  FLATKV_ASSIGN(const auto end, recovery::walk_log(files, place, manifest.store, newest));
  if (!end) return fail(ErrorCode::not_found, "the changelog is gone").path(place.generation);
  FLATKV_TRY(recovery::end_is_sound(place, *end));
  info.version = end->tip.version;
  info.roots = end->tip.roots;
  if (log->tip.version < newest) {
    info.log_problem = inspect::broken_history(files, place, manifest.store, log, end->tip.version);
  }
  for (const SnapshotInfo& snapshot : info.snapshots) {
    if (!info.roots && snapshot.version == *info.version) info.roots = snapshot.roots;
  }
  describe_from_snapshot(snapshots, info);
  describe_reach(files, place, manifest, snapshots, std::nullopt, info);
  describe_scrub(files, place.generation, info);
  return info;
}

/// Inspects a store that nobody has open. Holds the lock until all but the replay is known.
class Inspector {
 public:
  Inspector(fs::FileSystem& files, const std::string& store, std::unique_ptr<fs::DirLock> lock)
      : files_(files), lock_(std::move(lock)) {
    environment_.files = &files;
    place_.store = store;
    place_.held = true;
  }

  Result<StoreInfo> run() {
    const Status opens = recovery::analyze_store(environment_, place_.store, found_);
    info_.notes = found_.notes;
    if (!found_.generation.empty()) FLATKV_TRY(describe_generation());
    if (opens) {
      FLATKV_TRY(describe_committed());
      FLATKV_TRY(try_replay());
    } else {
      FLATKV_TRY(explain(opens.error()));
    }
    return std::move(info_);
  }

 private:
  Status explain(const Error& problem) {
    info_.problems.push_back(problem);
    FLATKV_ASSIGN(info_.remedies,
                  inspect::advice(files_, {.problem = problem,
                                           .place = place_,
                                           .found = found_,
                                           .manifest = manifest_ ? &*manifest_ : nullptr,
                                           .snapshots = snapshots_}));
    return {};
  }

  /// Finds what an open would find only during replay: replays on a clone, as a reader does.
  Status try_replay() {
    if (found_.plan == recovery::RecoveryPlan::new_log || !found_.reached) return {};
    const bool level = !found_.copy.unusable && found_.copy.lowest() == *found_.reached;
    if ((found_.clean_believed && !found_.log) || level) return {};
    lock_.reset();  // the clone takes the lock itself
    const auto clone = inspect::open_read_only(environment_, place_.store, {});
    if (clone) return {};
    if (recovery::is_damage(clone.error())) return explain(clone.error());
    info_.notes.push_back("the replay of the log was not tried: " + clone.error().to_string());
    return {};
  }

  Status describe_generation() {
    place_.survey = found_.survey;
    place_.choice = found_.choice;
    place_.generation = found_.generation;
    info_.generation = found_.choice.name;
    // If they cannot be listed, analyze_store has said why.
    auto snapshots = layout::list_chain_snapshots(files_, place_.generation, true);
    if (snapshots) snapshots_ = *std::move(snapshots);
    for (const SnapshotEntry& entry : snapshots_) info_.snapshots.push_back(describe(entry));
    manifest_ = layout::read_manifest(files_, place_.generation);
    if (!manifest_) return {};
    describe(*manifest_, info_);
    info_.clean = found_.clean_believed;
    log_ = recovery::walk_whole_log(files_, place_, manifest_->store);
    if (log_ && *log_) describe(**log_, info_);
    for (const Database which : kAllDatabases) describe_database(which);
    describe_scrub(files_, place_.generation, info_);
    return {};
  }

  void describe_database(Database which) {
    StoreInfo::DatabaseInfo own;
    own.database = which;
    const std::string path = layout::database_path(layout::working_path(place_.generation), which);
    if (Status read = read_database(path, own); !read) own.problem = std::move(read).error();
    own.bytes = FileBytes(files_).below(path);
    info_.databases.push_back(std::move(own));
  }

  /// Reads what a database says of itself: analyze_store may have refused before it came to this
  /// one.
  Status read_database(const std::string& path, StoreInfo::DatabaseInfo& own) {
    FLATKV_ASSIGN(const auto opened,
                  recovery::open_read_only(environment_, layout::working_path(place_.generation),
                                           own.database));
    const auto lacks = [&](const char* what) {
      return fail(ErrorCode::corruption, std::string("the database lacks ") + what)
          .path(path)
          .database(own.database);
    };
    if (own.database == Database::metadata) {
      FLATKV_ASSIGN(const auto meta, state::read_global_meta(*opened.snapshot));
      if (!meta) return lacks("some of its values");
      if (meta->is_of_another(manifest_->store)) {
        return fail(ErrorCode::corruption, "the database is another store's")
            .path(path)
            .database(own.database);
      }
      own.version = meta->version;
      return {};
    }
    FLATKV_ASSIGN(const auto meta, state::read_data_meta(*opened.snapshot));
    if (!meta.local) return lacks("its version and hash (LocalMeta)");
    own.version = meta.local->version;
    const recovery::DatabaseAnalysis& found = found_.copy.data[own.database];
    if (meta.stats) {
      own.stats = *meta.stats;
    } else if (found.backfilled) {
      own.stats = found.stats;
    }
    return {};
  }

  Status describe_committed() {
    info_.version = found_.reached;
    FLATKV_ASSIGN(const auto at, inspect::committed_roots(files_, found_));
    if (at) {
      info_.version = at->version;
      info_.roots = at->roots;
    }
    if (!info_.version) return {};
    if (found_.plan == recovery::RecoveryPlan::open) {
      info_.undo_floor = std::min(found_.undo_floor(), *info_.version);
    }
    info_.log_problem =
        inspect::broken_history(files_, place_, found_.manifest.store, log_, *info_.version);
    describe_reach(files_, place_, found_.manifest, snapshots_, info_.version, info_);
    return {};
  }

  fs::FileSystem& files_;
  std::unique_ptr<fs::DirLock> lock_;
  state::Environment environment_;
  LiveGeneration place_;
  RecoveryAnalysis found_;
  Result<layout::Manifest> manifest_ = fail(ErrorCode::corruption, "not read");
  Result<std::optional<changelog::LogWalk>> log_;
  std::vector<SnapshotEntry> snapshots_;
  StoreInfo info_;
};

StoreInfo::Holder public_holder(layout::LockHolder holder) {
  return {.pid = holder.pid, .host = std::move(holder.host), .since = std::move(holder.since)};
}

Result<StoreInfo> look(fs::FileSystem& files, const std::string& path) {
  // Hold the lock while looking: a writer that opens meanwhile waits for it.
  auto lock = files.lock_directory(path);
  if (lock) return Inspector(files, path, std::move(*lock)).run();
  if (lock.error().code != ErrorCode::locked) return std::unexpected(lock.error());
  auto info = recovery::look_at_store(files, path, [&](const LiveGeneration& place) {
    return inspect_beside_writer(files, place);
  });
  if (!info) {
    if (!recovery::may_have_moved(info.error())) return info;
    StoreInfo unclear;
    unclear.locked = true;
    unclear.problems.push_back(std::move(info).error());
    info = std::move(unclear);
  }
  if (auto holder = layout::read_lock_holder(files, path)) {
    info->holder = public_holder(*std::move(holder));
  }
  return info;
}

}  // namespace

Result<std::vector<SnapshotInfo>> list_snapshots(const std::string& store) {
  return guarded([&]() -> Result<std::vector<SnapshotInfo>> {
    fs::FileSystem& files = fs::posix();
    return recovery::look_at_store(
        files, store, [&](const LiveGeneration& place) -> Result<std::vector<SnapshotInfo>> {
          FLATKV_ASSIGN(const auto entries,
                        layout::list_chain_snapshots(files, place.generation, true));
          std::vector<SnapshotInfo> snapshots;
          for (const SnapshotEntry& entry : entries) snapshots.push_back(describe(entry));
          return snapshots;
        });
  });
}

Result<StoreInfo> inspect_store(const std::string& store) {
  return guarded([&]() -> Result<StoreInfo> {
    fs::FileSystem& files = fs::posix();
    FLATKV_ASSIGN(const std::string path, layout::resolve_store_path(files, store));
    const auto survey = layout::survey_store(files, path);  // analyze_store reports what is wrong
    if (!survey && survey.error().code == ErrorCode::not_found) {
      return std::unexpected(survey.error());
    }
    if (survey) {
      const auto choice = layout::choose_generation(path, *survey);
      if (!choice && choice.error().code == ErrorCode::not_found) {
        return std::unexpected(choice.error());
      }
    }
    auto info = look(files, path);
    if (info) info->bytes = FileBytes(files).below(path);
    return info;
  });
}

Result<HostLimits> host_limits() {
  return guarded([]() -> Result<HostLimits> {
    const Machine& here = machine();
    HostLimits limits{.memory = here.memory,
                      .memory_from = here.memory_from,
                      .cores = here.cores,
                      .cores_from = here.cores_from,
                      .row_cache = state::automatic_row_cache({}, here.memory)};
    struct rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) limits.descriptors = files.rlim_cur;
    return limits;
  });
}

}  // namespace flatkv

// SPDX-License-Identifier: Apache-2.0
#include "commit/snapshot_writer.hpp"

#include "base/failpoint.hpp"
#include "changelog/log_maintenance.hpp"
#include "changelog/writer.hpp"
#include "fs/files.hpp"
#include "layout/snapshot_chain.hpp"
#include "layout/snapshot_manifest.hpp"

namespace flatkv::commit {

layout::SnapshotManifest manifest_of(const SnapshotRequest& request) {
  layout::SnapshotManifest manifest;
  manifest.state = request.state;
  manifest.chain = request.chain;
  manifest.manifest = request.manifest;
  return manifest;
}

Status write_snapshot(fs::FileSystem& files, const std::string& generation,
                      const state::Databases& databases, const SnapshotRequest& request,
                      const Logger& logger) {
  const std::int64_t version = request.state.version;
  const auto there = layout::find_snapshot(files, generation, version, true);
  if (there && there->chain == request.chain) {
    // The directory entry may not be durable yet, if an earlier attempt failed after the rename.
    return files.sync_directory(generation);
  }
  if (there) {
    logger.warning("the snapshot at version " + std::to_string(version) +
                   " is of another branch and is replaced");
  }
  const std::string building = layout::unfinished_snapshot_path(generation, version);
  FLATKV_TRY(fs::remove_tree(files, building));
  FLATKV_TRY(files.make_directory(building));
  FLATKV_FAILPOINT("snapshot.begun");
  for (const Database database : kAllDatabases) {
    const auto& db = databases[database];
    FLATKV_TRY(db->checkpoint(files, layout::database_path(building, database)));
    FLATKV_FAILPOINT("snapshot.checkpointed");
  }
  return layout::publish_snapshot(files, generation, manifest_of(request));
}

namespace {

Status remove_strays(fs::FileSystem& files, const std::string& generation, std::int64_t version,
                     const std::vector<layout::SnapshotEntry>& snapshots, const Logger& logger) {
  for (const layout::SnapshotEntry& one : snapshots) {
    if (!one.stray) continue;
    FLATKV_ASSIGN(const bool proven, layout::log_leads_on(files, generation, one.version, version));
    if (!proven) continue;
    logger.warning(one.manifest.error().to_string() + ": removed");
    FLATKV_TRY(layout::remove_snapshot(files, generation, one.name));
  }
  return {};
}

}  // namespace

Status prune_history(fs::FileSystem& files, const std::string& generation, std::int64_t version,
                     std::uint32_t keep, const KeepLog& keep_log, const Logger& logger) {
  FLATKV_ASSIGN(auto snapshots, layout::list_chain_snapshots(files, generation, true));
  FLATKV_TRY(remove_strays(files, generation, version, snapshots, logger));
  FLATKV_ASSIGN(const auto oldest,
                layout::prune_snapshots(files, generation, std::move(snapshots), keep));
  if (!oldest) return {};
  FLATKV_FAILPOINT("snapshot.pruned");
  const std::string changelog = layout::changelog_path(generation);
  FLATKV_ASSIGN(const std::int64_t to, keep_log(changelog, *oldest));
  return changelog::prune(files, changelog, to);
}

}  // namespace flatkv::commit

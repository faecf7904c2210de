#include "store/snapshot_writer.hpp"

#include "base/failpoint.hpp"
#include "changelog/writer.hpp"
#include "fs/files.hpp"

namespace flatkv::store {

Status seal_snapshot(fs::FileSystem& files, const std::string& directory,
                     const SnapshotRequest& request) {
  layout::SnapshotManifest manifest;
  manifest.state = request.state;
  manifest.chain = request.chain;
  manifest.manifest = request.manifest;
  FLATKV_ASSIGN(manifest.files, layout::list_snapshot_files(files, directory));
  FLATKV_TRY(fs::write_file(files, fs::join(directory, "SNAPSHOT"), layout::encode(manifest)));
  FLATKV_FAILPOINT("snapshot.sealed");
  return files.sync_directory(directory);
}

Status write_snapshot(fs::FileSystem& files, const std::string& generation,
                      const Databases& databases, const SnapshotRequest& request) {
  const std::string path = layout::snapshot_path(generation, request.state.version);
  FLATKV_ASSIGN(const auto existing, layout::list_snapshots(files, generation, true));
  for (const auto& snapshot : existing) {
    if (snapshot.version == request.state.version && snapshot.manifest) return {};
  }
  const std::string building = path + "-tmp";
  FLATKV_TRY(fs::remove_tree(files, building));
  FLATKV_TRY(files.make_directory(building));
  FLATKV_FAILPOINT("snapshot.begun");
  for (const Database database : layout::kAllDatabases) {
    const auto& db = databases[static_cast<std::size_t>(database)];
    FLATKV_TRY(db->checkpoint(files, layout::database_path(building, database)));
    FLATKV_FAILPOINT("snapshot.checkpointed");
  }
  FLATKV_TRY(seal_snapshot(files, building, request));
  FLATKV_TRY(fs::remove_tree(files, path));  // there is none, or one that is not valid
  FLATKV_FAILPOINT("snapshot.before_rename");
  FLATKV_TRY(files.rename(building, path));
  FLATKV_FAILPOINT("snapshot.renamed");
  return files.sync_directory(generation);
}

Status prune_snapshots(fs::FileSystem& files, const std::string& generation, std::uint32_t keep,
                       const Logger& logger) {
  FLATKV_ASSIGN(auto snapshots, layout::list_snapshots(files, generation, true));
  std::erase_if(snapshots, [&](const auto& snapshot) {
    if (!snapshot.manifest) {
      logger.warning("snapshot passed over: " + snapshot.manifest.error().to_string());
    }
    return !snapshot.manifest.has_value();
  });
  if (snapshots.empty()) return {};
  while (snapshots.size() > std::size_t{keep} + 1) {
    const std::string& path = snapshots.front().path;
    // Without SNAPSHOT it is none: an interrupted removal leaves nothing that looks complete.
    FLATKV_TRY(files.unlink(fs::join(path, "SNAPSHOT")));
    FLATKV_TRY(files.sync_directory(path));
    FLATKV_FAILPOINT("prune.unsealed");
    FLATKV_TRY(fs::remove_tree(files, path));
    FLATKV_TRY(files.sync_directory(generation));
    FLATKV_FAILPOINT("prune.removed");
    snapshots.erase(snapshots.begin());
  }
  return changelog::prune(files, layout::changelog_path(generation), snapshots.front().version);
}

}  // namespace flatkv::store

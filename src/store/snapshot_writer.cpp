#include "store/snapshot_writer.hpp"

#include "base/failpoint.hpp"
#include "changelog/writer.hpp"
#include "fs/files.hpp"

namespace flatkv::store {

layout::SnapshotManifest manifest_of(const SnapshotRequest& request) {
  layout::SnapshotManifest manifest;
  manifest.state = request.state;
  manifest.chain = request.chain;
  manifest.manifest = request.manifest;
  return manifest;
}

Status write_snapshot(fs::FileSystem& files, const std::string& generation,
                      const Databases& databases, const SnapshotRequest& request) {
  const std::int64_t version = request.state.version;
  if (layout::find_snapshot(files, generation, version, true)) {
    // Its name may be of a try that failed after the rename.
    return files.sync_directory(generation);
  }
  const std::string building = layout::unfinished_snapshot_path(generation, version);
  FLATKV_TRY(fs::remove_tree(files, building));
  FLATKV_TRY(files.make_directory(building));
  FLATKV_FAILPOINT("snapshot.begun");
  for (const Database database : layout::kAllDatabases) {
    const auto& db = databases[static_cast<std::size_t>(database)];
    FLATKV_TRY(db->checkpoint(files, layout::database_path(building, database)));
    FLATKV_FAILPOINT("snapshot.checkpointed");
  }
  return layout::publish_snapshot(files, generation, manifest_of(request));
}

Status prune_history(fs::FileSystem& files, const std::string& generation, std::uint32_t keep) {
  FLATKV_ASSIGN(const auto oldest, layout::prune_snapshots(files, generation, keep));
  if (!oldest) return {};
  FLATKV_FAILPOINT("snapshot.pruned");
  return changelog::prune(files, layout::changelog_path(generation), *oldest);
}

}  // namespace flatkv::store

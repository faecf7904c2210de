// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "layout/snapshot_manifest.hpp"

// Finds, publishes, copies and removes the snapshot directories of a generation.
namespace flatkv::layout {

/// A snapshot directory of a generation: its manifest, or why it is not valid.
struct SnapshotEntry {
  std::string name;
  std::string path;
  std::int64_t version = 0;           ///< from the name
  Result<SnapshotManifest> manifest;  ///< `foreign_store` for a snapshot of another store
  bool stray = false;  ///< of another branch (layout/snapshot_chain.hpp); its manifest is an error
};
/// Lists snapshots ascending by version, judged by their own files; list_chain_snapshots also
/// compares them with the log (layout/snapshot_chain.hpp). Reads and checks SNAPSHOT; `check_files`
/// also compares sizes and CRCs. `corruption` if anything but a directory has a snapshot's name.
Result<std::vector<SnapshotEntry>> list_snapshots(fs::FileSystem& files,
                                                  const std::string& generation, bool check_files);
/// One snapshot by version, as above; `not_found` if there is none.
Result<SnapshotManifest> find_snapshot(fs::FileSystem& files, const std::string& generation,
                                       std::int64_t version, bool check_files);

/// "<snapshot_path>-tmp": where the databases are checkpointed before `publish_snapshot`.
std::string unfinished_snapshot_path(const std::string& generation, std::int64_t version);

/// Publishes `unfinished_snapshot_path` of the manifest's version, which holds five synced
/// databases: lists their files in `manifest.files`, writes SNAPSHOT, syncs, renames, syncs.
/// `invalid_argument` if a valid snapshot with the same chain digest exists at that version. An
/// invalid one, or one of another branch, is replaced once the new one is complete.
Status publish_snapshot(fs::FileSystem& files, const std::string& generation,
                        SnapshotManifest manifest);

/// Copies a valid snapshot into the new directory `to`: links tables, copies the other files and
/// compares their CRCs, writes SNAPSHOT last, and syncs all. The caller syncs the parent of `to`.
/// `foreign_store` if the snapshot's store id or options differ from those in `manifest`.
Status clone_snapshot(fs::FileSystem& files, const std::string& from, const std::string& to,
                      const Manifest& manifest);

/// Renames the snapshot to a "-tmp" name, syncs, removes; marks it as removed instead if it cannot
/// be renamed. OK if it does not exist.
Status remove_snapshot(fs::FileSystem& files, const std::string& generation,
                       const std::string& name);

/// Removes the oldest valid snapshots, oldest first, and keeps the newest and `keep_older` more.
/// Invalid ones do not count and stay as evidence. Returns the oldest valid version that is left,
/// nullopt if there is none. Stops at the first error.
Result<std::optional<std::int64_t>> prune_snapshots(fs::FileSystem& files,
                                                    const std::string& generation,
                                                    std::vector<SnapshotEntry> snapshots,
                                                    std::uint32_t keep_older);

}  // namespace flatkv::layout

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "layout/manifest.hpp"

// Snapshot directories of a generation: found, put into place, carried over, removed.
namespace flatkv::layout {

/// A snapshot directory of a generation: its manifest, or why it is not valid.
struct SnapshotEntry {
  std::string name;
  std::string path;
  std::int64_t version = 0;           ///< from the name
  Result<SnapshotManifest> manifest;  ///< of the generation's own store: others are `foreign_store`
  bool stray = false;  ///< of another branch (store/snapshot_chain.hpp); its manifest is an error
};
/// Ascending by version, by what each says of itself; whether it is on the chain of the log, the
/// store's list tells (store/snapshot_chain.hpp). SNAPSHOT is read and checked; `check_files` also
/// compares sizes and CRCs. `corruption` where something else than a directory has a snapshot's
/// name.
Result<std::vector<SnapshotEntry>> list_snapshots(fs::FileSystem& files,
                                                  const std::string& generation, bool check_files);
/// One snapshot by version, as above; `not_found` if there is none.
Result<SnapshotManifest> find_snapshot(fs::FileSystem& files, const std::string& generation,
                                       std::int64_t version, bool check_files);

/// "<snapshot_path>-tmp": where the databases are checkpointed to before `publish_snapshot`.
std::string unfinished_snapshot_path(const std::string& generation, std::int64_t version);

/// Finishes `unfinished_snapshot_path` of the state's version, which holds five synced databases:
/// lists their files into `manifest.files`, writes SNAPSHOT, syncs, renames, syncs. One that is
/// there at that version, valid and of the same chain digest, is an `invalid_argument`; one that is
/// not valid, or of another branch, gives way only when the new one is complete.
Status publish_snapshot(fs::FileSystem& files, const std::string& generation,
                        SnapshotManifest manifest);

/// Copies a valid snapshot into the new directory `to`: tables linked, the rest copied and compared
/// with its CRC, SNAPSHOT last, all synced; the caller syncs the parent of `to`. With another store
/// id or option in `manifest` than the snapshot's: `foreign_store`.
Status clone_snapshot(fs::FileSystem& files, const std::string& from, const std::string& to,
                      const Manifest& manifest);

/// Renames it to a "-tmp" name, syncs, removes; where it cannot be renamed it is marked as removed
/// instead. Nothing there is no error.
Status remove_snapshot(fs::FileSystem& files, const std::string& generation,
                       const std::string& name);

/// Removes all valid ones among these but the newest and `keep_older` older ones, oldest first.
/// Those that are not valid count for nothing and stay (they are evidence). Returns the version of
/// the oldest valid one that is left, nothing if there is none; stops at the first error.
Result<std::optional<std::int64_t>> prune_snapshots(fs::FileSystem& files,
                                                    const std::string& generation,
                                                    std::vector<SnapshotEntry> snapshots,
                                                    std::uint32_t keep_older);

}  // namespace flatkv::layout

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "flatkv/cluster/snapshots.hpp"
#include "objects/objects.hpp"
#include "parts/stored_manifest.hpp"

namespace flatkv::parts {

/// What arrives damaged is fetched so often: where it lies damaged it stays so.
inline constexpr int kFetches = 3;

/// Checks ranges, and puts numbers in place of what stands for a choice.
Result<PartsOptions> checked(const PartsOptions& options);

Result<std::unique_ptr<objects::Objects>> open_objects(const objects::Location& location,
                                                       const PartsOptions& options);

/// The snapshots below a location, as a listing tells them.
struct ListedSnapshot {
  std::int64_t version = 0;
  bool complete = false;            ///< its manifest is there
  std::vector<std::string> others;  ///< names of its other objects
};
/// By ascending versions.
Result<std::vector<ListedSnapshot>> list_snapshots(objects::Objects& below);

/// A snapshot that was found, with its manifest checked by itself and against `trusted`.
struct Place {
  std::string location;
  std::unique_ptr<objects::Objects> objects;  ///< of this snapshot
  StoredManifest manifest;
};
/// Errors: those of find_stored_snapshot.
Result<Place> find_place(const SnapshotChoice& choice, const TrustedRoots& trusted,
                         const PartsOptions& options);

/// Reads and decodes the manifest of a snapshot; an error names the object.
Result<StoredManifest> read_manifest(objects::Objects& snapshot, const std::string& location);

/// export_snapshot into these places: `snapshot` is that of the snapshot itself and has that
/// location, `below` the one where all lie.
Result<SnapshotExport> export_to(const ReadView& view, objects::Objects& snapshot,
                                 objects::Objects& below, const std::string& location,
                                 std::uint32_t keep, const PartsOptions& options);

}  // namespace flatkv::parts

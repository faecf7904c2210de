// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flatkv/database.hpp"
#include "flatkv/lthash.hpp"
#include "flatkv/roots.hpp"
#include "layout/manifest.hpp"

// SNAPSHOT: what a snapshot directory holds.
namespace flatkv::layout {

/// Hashes and stats of the four data databases at one version.
struct StateSummary {
  std::int64_t version = 0;
  PerDataDatabase<LtHash> hashes;
  PerDataDatabase<DatabaseStats> stats;
};
/// The roots line of four hashes.
Roots roots_of(const PerDataDatabase<LtHash>& hashes);

struct SnapshotFile {
  std::string path;  ///< relative to the snapshot, e.g. "account/000012.sst"
  std::uint64_t bytes = 0;
  std::optional<std::uint32_t> crc32c;  ///< of small files (everything but tables)
  bool operator==(const SnapshotFile&) const = default;
};

/// SNAPSHOT of a snapshot directory; written last.
struct SnapshotManifest {
  StateSummary state;
  Digest chain{};  ///< chain digest of the version
  Manifest manifest;
  std::vector<SnapshotFile> files;  ///< ascending by path
};

Bytes encode(const SnapshotManifest& manifest);
/// Errors: `corruption`, `format_too_new`. Checks that each path has two components, the first a
/// database's name.
Result<SnapshotManifest> decode_snapshot_manifest(ByteView bytes);
/// Reads SNAPSHOT in a directory; `corruption` if it is missing.
Result<SnapshotManifest> read_snapshot_manifest(fs::FileSystem& files,
                                                const std::string& directory);

/// Lists the files of a snapshot with their sizes, and CRC32Cs of all but the tables, which are not
/// read. The five databases must exist.
Result<std::vector<SnapshotFile>> list_snapshot_files(fs::FileSystem& files,
                                                      const std::string& directory);
/// Checks that every listed file exists with its size and CRC; `corruption` names the first that
/// does not.
Status check_snapshot_files(fs::FileSystem& files, const std::string& directory,
                            const SnapshotManifest& manifest);

}  // namespace flatkv::layout

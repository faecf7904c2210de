// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "changelog/record.hpp"
#include "codec/local_meta.hpp"
#include "flatkv/lthash.hpp"
#include "flatkv/options.hpp"
#include "flatkv/roots.hpp"
#include "fs/file_system.hpp"

// The files that describe a generation and a snapshot. Each carries its own digest;
// docs/formats.md#store-directory has their bytes.
namespace flatkv::layout {

using changelog::StoreId;

inline constexpr std::uint32_t kFormat = 1;

/// Byte limits; larger files are refused unread.
inline constexpr std::size_t kMaxManifestBytes = 64U << 10;
inline constexpr std::size_t kMaxCurrentBytes = 4U << 10;
inline constexpr std::size_t kMaxSnapshotManifestBytes = 64U << 20;

inline constexpr std::string_view kManifestFile = "MANIFEST.json";
inline constexpr std::string_view kCurrentFile = "CURRENT";
inline constexpr std::string_view kSnapshotFile = "SNAPSHOT";

/// MANIFEST.json of a generation; written once, never changed.
struct Manifest {
  std::uint32_t format = kFormat;
  StoreId store{};
  AccountRows account_rows = AccountRows::keep;
  std::int64_t initial_version = 1;
  bool operator==(const Manifest&) const = default;
};

Bytes encode(const Manifest& manifest);
/// `corruption`, or `format_too_new`.
Result<Manifest> decode_manifest(ByteView bytes);

/// Writes and syncs the file, which must not exist; the caller syncs the directory.
Status write_manifest(fs::FileSystem& files, const std::string& generation,
                      const Manifest& manifest);
/// Errors: `corruption` if it is missing or bad, naming the snapshots that hold a copy;
/// `format_too_new`.
Result<Manifest> read_manifest(fs::FileSystem& files, const std::string& generation);

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

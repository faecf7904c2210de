#pragma once

#include <optional>
#include <string>
#include <vector>

#include "changelog/record.hpp"
#include "codec/local_meta.hpp"
#include "flatkv/lthash.hpp"
#include "flatkv/options.hpp"
#include "fs/file_system.hpp"

// Files that say what a generation and a snapshot are (spec §6). All carry a digest of their own.
namespace flatkv::layout {

using changelog::StoreId;

inline constexpr std::uint32_t kFormat = 1;

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

/// Hashes and stats of the four data databases at one version.
struct StateSummary {
  std::int64_t version = 0;
  std::array<LtHash, 4> hashes;
  std::array<codec::Stats, 4> stats;
};
/// Checksums of the four hashes and of their sum.
Roots roots_of(const std::array<LtHash, 4>& hashes);

struct SnapshotFile {
  std::string path;  ///< relative to the snapshot, e.g. "account/000012.sst"
  std::uint64_t bytes = 0;
  std::optional<std::uint32_t> crc32c;  ///< of small files (everything but tables)
};

/// SNAPSHOT of a snapshot directory; written last.
struct SnapshotManifest {
  StateSummary state;
  Digest chain{};  ///< chain digest of the version
  Manifest manifest;
  std::vector<SnapshotFile> files;
};

Bytes encode(const SnapshotManifest& manifest);
Result<SnapshotManifest> decode_snapshot_manifest(ByteView bytes);

/// Sizes of all files and CRC32C of the small ones; nothing is read of the tables.
Result<std::vector<SnapshotFile>> list_snapshot_files(fs::FileSystem& files,
                                                      const std::string& directory);
/// Whether every file listed is there with its size and CRC; `corruption` names the first that is
/// not.
Status check_snapshot_files(fs::FileSystem& files, const std::string& directory,
                            const SnapshotManifest& manifest);

}  // namespace flatkv::layout

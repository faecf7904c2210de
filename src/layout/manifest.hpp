// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "changelog/record.hpp"
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
inline constexpr std::string_view kCursorsFile = "CURSORS";
/// Directory of the parts of an import that is not over (docs/recovery.md#import-from-parts).
inline constexpr std::string_view kImportDirectory = "import-parts";
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

}  // namespace flatkv::layout

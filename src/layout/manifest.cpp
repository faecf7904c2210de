// SPDX-License-Identifier: Apache-2.0
#include "layout/manifest.hpp"

#include <limits>

#include "fs/files.hpp"
#include "layout/generation.hpp"
#include "layout/sealed_json.hpp"

namespace flatkv::layout {
namespace {

constexpr std::string_view kKeep = "keep";
constexpr std::string_view kPruneEmpty = "prune_empty";
constexpr std::uint64_t kMaxVersion = std::numeric_limits<std::int64_t>::max();

/// " (snapshot-… holds a copy of it)", or an empty string.
std::string copies_of_manifest(fs::FileSystem& files, const std::string& generation) {
  const auto snapshots = list_snapshots(files, generation, false);
  std::string names;
  if (snapshots) {
    for (const SnapshotEntry& snapshot : *snapshots) {
      if (snapshot.manifest) names += (names.empty() ? "" : ", ") + snapshot.name;
    }
  }
  if (names.empty()) return ", and no snapshot holds a copy of it";
  return ", but a copy of it is in SNAPSHOT, member \"manifest\", of " + names;
}

}  // namespace

Bytes encode(const Manifest& manifest) {
  Sealing object;
  object.number("format", manifest.format)
      .text("store", to_hex(manifest.store))
      .text("account_rows", manifest.account_rows == AccountRows::keep ? kKeep : kPruneEmpty)
      .number("initial_version", static_cast<std::uint64_t>(manifest.initial_version));
  return std::move(object).seal();
}

Result<Manifest> decode_manifest(ByteView bytes) {
  FLATKV_ASSIGN(const Unsealed object, unseal(bytes, kMaxManifestBytes));
  const Members members(object);
  FLATKV_TRY(check_format(members));
  Manifest manifest;
  FLATKV_TRY(members.hex("store", manifest.store));
  FLATKV_ASSIGN(const std::string_view rows, members.text("account_rows"));
  if (rows != kKeep && rows != kPruneEmpty) {
    return fail(ErrorCode::corruption, "member \"account_rows\" is neither keep nor prune_empty");
  }
  manifest.account_rows = rows == kKeep ? AccountRows::keep : AccountRows::prune_empty;
  FLATKV_ASSIGN(const std::uint64_t initial, members.number("initial_version", 1, kMaxVersion - 1));
  manifest.initial_version = static_cast<std::int64_t>(initial);
  return manifest;
}

Status write_manifest(fs::FileSystem& files, const std::string& generation,
                      const Manifest& manifest) {
  return fs::write_file(files, fs::join(generation, kManifestFile), encode(manifest));
}

Result<Manifest> read_manifest(fs::FileSystem& files, const std::string& generation) {
  const std::string path = fs::join(generation, kManifestFile);
  Result<Manifest> manifest = read_decoded(files, path, kMaxManifestBytes, decode_manifest);
  if (!manifest && manifest.error().code == ErrorCode::corruption) {
    manifest.error().message += copies_of_manifest(files, generation);
  }
  return manifest;
}

}  // namespace flatkv::layout

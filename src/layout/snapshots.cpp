// SPDX-License-Identifier: Apache-2.0
#include "layout/snapshots.hpp"

#include <algorithm>

#include "base/failpoint.hpp"
#include "fs/files.hpp"
#include "layout/generation.hpp"
#include "layout/names.hpp"
#include "layout/removal.hpp"
#include "layout/sealed_json.hpp"

namespace flatkv::layout {
namespace {

/// The manifest that the snapshots of a generation must agree with; nullopt if MANIFEST.json is
/// unusable (then it is searched for in the snapshots).
std::optional<Manifest> own_manifest(fs::FileSystem& files, const std::string& generation) {
  auto manifest =
      read_decoded(files, fs::join(generation, kManifestFile), kMaxManifestBytes, decode_manifest);
  return manifest ? std::optional(*manifest) : std::nullopt;
}

Result<SnapshotManifest> look_at(fs::FileSystem& files, const std::string& path,
                                 const std::optional<Manifest>& own, std::int64_t version,
                                 bool check_files) {
  FLATKV_ASSIGN(SnapshotManifest manifest, read_snapshot_manifest(files, path));
  if (own && manifest.manifest != *own) {
    return fail(ErrorCode::foreign_store, "the snapshot is of another store").path(path);
  }
  if (manifest.state.version != version) {
    return fail(ErrorCode::corruption, "SNAPSHOT is of another version than its directory's name")
        .path(path)
        .version(manifest.state.version);
  }
  if (check_files) FLATKV_TRY(check_snapshot_files(files, path, manifest));
  return manifest;
}

/// Renames a directory before removing it, so that what a crash leaves is seen to be remains.
Status remove_by_rename(fs::FileSystem& files, const std::string& generation,
                        const std::string& name) {
  const std::string path = fs::join(generation, name);
  const std::string doomed = path + "-old-tmp";
  FLATKV_TRY(fs::remove_tree(files, doomed));
  FLATKV_FAILPOINT("layout.snapshot.before_remove_rename");
  const Status renamed = files.rename(path, doomed);
  if (!renamed && renamed.error().code == ErrorCode::unsupported) {
    return remove_in_place(files, generation, name);
  }
  FLATKV_TRY(renamed);
  FLATKV_TRY(files.sync_directory(generation));
  FLATKV_FAILPOINT("layout.snapshot.before_remove");
  FLATKV_TRY(fs::remove_tree(files, doomed));
  return files.sync_directory(generation);
}

Status clone_file(fs::FileSystem& files, const std::string& from, const std::string& to,
                  const SnapshotFile& file) {
  const std::string source = fs::join(from, file.path);
  const std::string target = fs::join(to, file.path);
  if (is_table_path(file.path)) return fs::link_or_copy(files, source, target);
  return fs::copy_file(files, source, target, file.bytes);
}

}  // namespace

Result<std::vector<SnapshotEntry>> list_snapshots(fs::FileSystem& files,
                                                  const std::string& generation, bool check_files) {
  FLATKV_ASSIGN(const auto entries, files.list(generation));
  const auto own = own_manifest(files, generation);
  std::vector<SnapshotEntry> snapshots;
  for (const fs::DirEntry& entry : entries) {
    const auto version = parse_snapshot_name(entry.name);
    if (!version) continue;
    const std::string path = fs::join(generation, entry.name);
    if (entry.type != fs::FileType::directory) {
      return fail(ErrorCode::corruption, "this is not a directory, and should be").path(path);
    }
    if (is_removed(files, path)) continue;
    snapshots.push_back(
        {entry.name, path, *version, look_at(files, path, own, *version, check_files), false});
  }
  std::ranges::sort(snapshots, {}, &SnapshotEntry::version);
  return snapshots;
}

Result<SnapshotManifest> find_snapshot(fs::FileSystem& files, const std::string& generation,
                                       std::int64_t version, bool check_files) {
  const std::string path = snapshot_path(generation, version);
  FLATKV_ASSIGN(const bool there, fs::exists(files, path, fs::FileType::directory));
  if (!there || is_removed(files, path)) {
    return fail(ErrorCode::not_found, "there is no snapshot of this version")
        .path(path)
        .version(version);
  }
  return look_at(files, path, own_manifest(files, generation), version, check_files);
}

std::string unfinished_snapshot_path(const std::string& generation, std::int64_t version) {
  return snapshot_path(generation, version) + "-tmp";
}

Status publish_snapshot(fs::FileSystem& files, const std::string& generation,
                        SnapshotManifest manifest) {
  const std::int64_t version = manifest.state.version;
  const std::string from = unfinished_snapshot_path(generation, version);
  const std::string to = snapshot_path(generation, version);
  FLATKV_ASSIGN(const bool taken, fs::exists(files, to, fs::FileType::directory));
  if (taken && !is_removed(files, to)) {
    const auto there = look_at(files, to, own_manifest(files, generation), version, true);
    if (there && there->chain == manifest.chain) {
      return fail(ErrorCode::invalid_argument, "there is a valid snapshot of this version")
          .path(to)
          .version(version);
    }
  }
  FLATKV_ASSIGN(manifest.files, list_snapshot_files(files, from));
  FLATKV_FAILPOINT("layout.snapshot.before_manifest");
  FLATKV_TRY(fs::write_file(files, fs::join(from, kSnapshotFile), encode(manifest)));
  FLATKV_FAILPOINT("layout.snapshot.before_sync");
  FLATKV_TRY(files.sync_directory(from));
  // Only a snapshot that is invalid or of another branch can be in the way, so nothing is lost
  // while the name is free.
  if (taken) FLATKV_TRY(remove_by_rename(files, generation, snapshot_name(version)));
  FLATKV_FAILPOINT("layout.snapshot.before_rename");
  FLATKV_TRY(files.rename(from, to));
  FLATKV_FAILPOINT("layout.snapshot.after_rename");
  return files.sync_directory(generation);
}

Status clone_snapshot(fs::FileSystem& files, const std::string& from, const std::string& to,
                      const Manifest& manifest) {
  FLATKV_ASSIGN(const SnapshotManifest snapshot, read_snapshot_manifest(files, from));
  if (!(snapshot.manifest == manifest)) {
    return fail(ErrorCode::foreign_store, "the snapshot belongs to another store").path(from);
  }
  FLATKV_TRY(files.make_directory(to));
  for (const Database database : kAllDatabases) {
    FLATKV_TRY(files.make_directory(database_path(to, database)));
  }
  FLATKV_FAILPOINT("layout.snapshot.clone");
  for (const SnapshotFile& file : snapshot.files) FLATKV_TRY(clone_file(files, from, to, file));
  FLATKV_TRY(check_snapshot_files(files, to, snapshot));
  for (const Database database : kAllDatabases) {
    FLATKV_TRY(files.sync_directory(database_path(to, database)));
  }
  FLATKV_FAILPOINT("layout.snapshot.clone_manifest");
  FLATKV_TRY(fs::write_file(files, fs::join(to, kSnapshotFile), encode(snapshot)));
  return files.sync_directory(to);
}

Status remove_snapshot(fs::FileSystem& files, const std::string& generation,
                       const std::string& name) {
  const std::string path = fs::join(generation, name);
  FLATKV_ASSIGN(const bool there, fs::exists(files, path, fs::FileType::directory));
  if (!there) return {};
  return remove_by_rename(files, generation, name);
}

Result<std::optional<std::int64_t>> prune_snapshots(fs::FileSystem& files,
                                                    const std::string& generation,
                                                    std::vector<SnapshotEntry> snapshots,
                                                    std::uint32_t keep_older) {
  std::erase_if(snapshots, [](const SnapshotEntry& entry) { return !entry.manifest; });
  const std::size_t keep = std::size_t{keep_older} + 1;
  const std::size_t surplus = snapshots.size() > keep ? snapshots.size() - keep : 0;
  for (std::size_t i = 0; i < surplus; ++i) {
    FLATKV_TRY(remove_snapshot(files, generation, snapshots[i].name));
  }
  if (snapshots.empty()) return std::optional<std::int64_t>();
  return std::optional(snapshots[surplus].version);
}

}  // namespace flatkv::layout

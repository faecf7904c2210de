// SPDX-License-Identifier: Apache-2.0
#include "layout/cleanup.hpp"

#include <algorithm>

#include "base/failpoint.hpp"
#include "fs/files.hpp"
#include "layout/generation.hpp"
#include "layout/names.hpp"
#include "layout/removal.hpp"
#include "layout/sealed_json.hpp"

namespace flatkv::layout {
namespace {

void report(std::vector<std::string>& kept, const std::string& name, const Status& status) {
  if (!status) kept.push_back(name + ": " + status.error().to_string());
}

Status remove_synced(fs::FileSystem& files, const std::string& directory, const std::string& name) {
  FLATKV_FAILPOINT("layout.cleanup.before_remove");
  FLATKV_TRY(fs::remove_tree(files, fs::join(directory, name)));
  FLATKV_FAILPOINT("layout.cleanup.after_remove");
  return files.sync_directory(directory);
}

Status remove_orphan(fs::FileSystem& files, const std::string& store, const std::string& name) {
  const auto lock = files.lock_directory(fs::join(store, name));
  if (!lock) {
    // In use, or its reader has renamed or removed it since the listing.
    const ErrorCode code = lock.error().code;
    if (code == ErrorCode::locked || code == ErrorCode::not_found) return {};
    return std::unexpected(lock.error());
  }
  FLATKV_FAILPOINT("layout.cleanup.clone_locked");
  return remove_synced(files, store, name);
}

/// Removes the content of a directory, which stays.
Status empty_directory(fs::FileSystem& files, const std::string& path) {
  FLATKV_TRY(fs::ensure_directory(files, path));
  FLATKV_ASSIGN(const auto entries, files.list(path));
  for (const fs::DirEntry& entry : entries) {
    FLATKV_TRY(fs::remove_tree(files, fs::join(path, entry.name)));
  }
  FLATKV_FAILPOINT("layout.cleanup.flush_emptied");
  if (entries.empty()) return {};
  return files.sync_directory(path);
}

}  // namespace

Status remove_generation(fs::FileSystem& files, const std::string& store, const std::string& name) {
  const std::string path = fs::join(store, name);
  FLATKV_ASSIGN(const bool there, fs::exists(files, path, fs::FileType::directory));
  if (!there) return {};
  const std::string doomed = unfinished_name(name, Purpose::rebuild);
  FLATKV_FAILPOINT("layout.cleanup.before_rename");
  FLATKV_TRY(fs::remove_tree(files, fs::join(store, doomed)));
  const Status renamed = files.rename(path, fs::join(store, doomed));
  if (!renamed && renamed.error().code == ErrorCode::unsupported) {
    return remove_in_place(files, store, name);
  }
  FLATKV_TRY(renamed);
  FLATKV_TRY(files.sync_directory(store));
  return remove_synced(files, store, doomed);
}

std::vector<std::string> remove_leftovers(fs::FileSystem& files, const std::string& store,
                                          const StoreSurvey& survey, const std::string& live) {
  std::vector<std::string> kept;
  const auto current =
      read_decoded(files, fs::join(store, kCurrentFile), kMaxCurrentBytes, decode_current);
  if (!current || *current != live) {
    kept.push_back("nothing was removed, as CURRENT does not name " + live);
    return kept;
  }
  for (const std::string& name : survey.generations) {
    if (name != live) report(kept, name, remove_generation(files, store, name));
  }
  for (const auto& one : survey.unfinished) {
    // A directory that still has a generation's name loses its mark last.
    const bool in_place = parse_generation_name(one.name).has_value();
    report(
        kept, one.name,
        in_place ? remove_in_place(files, store, one.name) : remove_synced(files, store, one.name));
  }
  for (const std::string& name : survey.clones) {
    report(kept, name, remove_orphan(files, store, name));
  }
  return kept;
}

std::vector<std::string> remove_orphans(fs::FileSystem& files, const std::string& directory) {
  std::vector<std::string> kept;
  const auto entries = files.list(directory);
  if (!entries) return kept;  // whoever wants to put a clone there reports it
  for (const fs::DirEntry& entry : *entries) {
    if (entry.type != fs::FileType::directory || !is_clone_name(entry.name)) continue;
    report(kept, entry.name, remove_orphan(files, directory, entry.name));
  }
  return kept;
}

std::vector<std::string> remove_unfinished(fs::FileSystem& files, const std::string& generation) {
  std::vector<std::string> kept;
  const auto entries = files.list(generation);
  if (!entries) {
    kept.push_back(entries.error().to_string());
    return kept;
  }
  // A snapshot loses its name before its files. A process that died in between may have left that
  // on disk or not.
  const bool any = std::ranges::any_of(
      *entries, [](const fs::DirEntry& entry) { return is_unfinished_snapshot_name(entry.name); });
  const Status named = any ? files.sync_directory(generation) : Status{};
  report(kept, "snapshots", named);
  for (const fs::DirEntry& entry : *entries) {
    if (!named) break;
    const bool file = entry.type == fs::FileType::file && entry.name.ends_with("-tmp");
    if (file || is_unfinished_snapshot_name(entry.name)) {
      report(kept, entry.name, remove_synced(files, generation, entry.name));
    } else if (parse_snapshot_name(entry.name) && entry.type == fs::FileType::directory &&
               is_remnant(files, fs::join(generation, entry.name))) {
      report(kept, entry.name, remove_in_place(files, generation, entry.name));
    }
  }
  report(kept, "flush", empty_directory(files, flush_path(generation)));
  return kept;
}

}  // namespace flatkv::layout

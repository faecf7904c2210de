// SPDX-License-Identifier: Apache-2.0
#include "layout/removal.hpp"

#include "base/failpoint.hpp"
#include "fs/files.hpp"

namespace flatkv::layout {
namespace {

Status mark_removed(fs::FileSystem& files, const std::string& path) {
  const std::string mark = fs::join(path, kRemovedFile);
  FLATKV_ASSIGN(const bool there, fs::exists(files, mark, fs::FileType::file));
  if (!there) FLATKV_TRY(fs::write_file(files, mark, {}));
  return files.sync_directory(path);
}

}  // namespace

Status remove_in_place(fs::FileSystem& files, const std::string& parent, const std::string& name) {
  const std::string path = fs::join(parent, name);
  FLATKV_FAILPOINT("layout.remove_in_place.before_mark");
  FLATKV_TRY(mark_removed(files, path));
  FLATKV_FAILPOINT("layout.remove_in_place.marked");
  FLATKV_ASSIGN(const auto entries, files.list(path));
  for (const fs::DirEntry& entry : entries) {
    if (entry.name == kRemovedFile) continue;
    FLATKV_TRY(fs::remove_tree(files, fs::join(path, entry.name)));
  }
  // Remove the mark last, on disk too.
  FLATKV_TRY(files.sync_directory(path));
  FLATKV_FAILPOINT("layout.remove_in_place.emptied");
  FLATKV_TRY(files.unlink(fs::join(path, kRemovedFile)));
  FLATKV_FAILPOINT("layout.remove_in_place.unmarked");
  FLATKV_TRY(files.remove_directory(path));
  return files.sync_directory(parent);
}

bool is_removed(fs::FileSystem& files, const std::string& path) {
  const auto mark = fs::exists(files, fs::join(path, kRemovedFile), fs::FileType::file);
  return mark && *mark;
}

bool is_remnant(fs::FileSystem& files, const std::string& path) {
  if (is_removed(files, path)) return true;
  const auto entries = files.list(path);
  return entries && entries->empty();
}

}  // namespace flatkv::layout

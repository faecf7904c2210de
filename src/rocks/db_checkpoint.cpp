// SPDX-License-Identifier: Apache-2.0
#include <rocksdb/metadata.h>

#include <algorithm>
#include <limits>

#include "base/failpoint.hpp"
#include "fs/files.hpp"
#include "rocks/db_impl.hpp"

namespace flatkv::rocks {
namespace {

/// A file of a database at one moment.
struct LiveFile {
  std::string name;         // without directory
  std::uint64_t bytes = 0;  // how many of its bytes belong to that moment
  bool linkable = false;    // never changes again: a table
  std::string replacement;  // content to write instead of the file's (RocksDB's CURRENT)
};

/// Defers the deletion of files that compactions make obsolete.
class DeletionsHeld {
 public:
  explicit DeletionsHeld(rocksdb::DB& rocks)
      : rocks_(rocks), status_(rocks.DisableFileDeletions()) {}
  ~DeletionsHeld() {
    if (status_.ok()) rocks_.EnableFileDeletions(/*force=*/false).PermitUncheckedError();
  }
  DeletionsHeld(const DeletionsHeld&) = delete;
  DeletionsHeld& operator=(const DeletionsHeld&) = delete;
  const rocksdb::Status& status() const { return status_; }

 private:
  rocksdb::DB& rocks_;
  rocksdb::Status status_;
};

rocksdb::Status live_files(rocksdb::DB& rocks, std::vector<LiveFile>& files) {
  rocksdb::LiveFilesStorageInfoOptions ask;
  // A smaller number may flush the memtables, which are empty.
  ask.wal_size_for_flush = std::numeric_limits<std::uint64_t>::max();
  std::vector<rocksdb::LiveFileStorageInfo> found;
  const rocksdb::Status status = rocks.GetLiveFilesStorageInfo(ask, &found);
  if (!status.ok()) return status;
  for (const auto& file : found) {
    if (file.file_type == rocksdb::kWalFile) continue;  // empty, and created anew by every open
    LiveFile live;
    live.name = file.relative_filename;
    live.bytes = file.size;
    live.linkable = file.file_type == rocksdb::kTableFile;
    live.replacement = file.replacement_contents;
    files.push_back(std::move(live));
  }
  return status;
}

Status place(fs::FileSystem& files, const LiveFile& file, const std::string& from,
             const std::string& to) {
  const std::string target = fs::join(to, file.name);
  if (!file.replacement.empty()) {
    return fs::write_file(files, target, as_bytes(file.replacement));
  }
  const std::string source = fs::join(from, file.name);
  if (file.linkable) return fs::link_or_copy(files, source, target);
  return fs::copy_file(files, source, target, file.bytes);
}

/// Files that belong to one opening of a database and not to its content.
bool passing(std::string_view name) {
  return name == "LOCK" || name == "LOG" || name.starts_with("LOG.old") || name.ends_with(".log") ||
         name.ends_with(".dbtmp");
}

}  // namespace

Status Db::checkpoint(fs::FileSystem& files, const std::string& to) {
  const std::lock_guard lock(impl_->changing);
  FLATKV_TRY(impl_->writable());
  FLATKV_TRY(background_status());
  FLATKV_TRY(files.make_directory(to));
  FLATKV_FAILPOINT("engine.checkpoint.directory");

  const DeletionsHeld held(*impl_->rocks);
  if (!held.status().ok()) {
    return std::unexpected(impl_->error(held.status(), "cannot hold files for a checkpoint"));
  }
  std::vector<LiveFile> live;
  if (const rocksdb::Status status = live_files(*impl_->rocks, live); !status.ok()) {
    return std::unexpected(impl_->error(status, "cannot list files for a checkpoint"));
  }
  for (const LiveFile& file : live) {
    FLATKV_TRY(place(files, file, impl_->options.path, to));
    FLATKV_FAILPOINT("engine.checkpoint.file");
  }
  FLATKV_TRY(files.sync_directory(to));
  FLATKV_FAILPOINT("engine.checkpoint.synced");
  return {};
}

Status clone_closed(fs::FileSystem& files, const std::string& from, const std::string& to) {
  FLATKV_ASSIGN(const auto entries, files.list(from));
  FLATKV_TRY(files.make_directory(to));
  for (const fs::DirEntry& entry : entries) {
    const std::string source = fs::join(from, entry.name);
    const std::string target = fs::join(to, entry.name);
    if (entry.type != fs::FileType::file) {
      return fail(ErrorCode::corruption, "a database directory holds something other than files")
          .path(source);
    }
    FLATKV_ASSIGN(const auto info, files.stat(source));
    if (entry.name.ends_with(".log") && info.size != 0) {
      return fail(ErrorCode::corruption, "RocksDB's log is not empty").path(source);
    }
    if (passing(entry.name)) continue;
    if (entry.name.ends_with(".sst")) {
      FLATKV_TRY(fs::link_or_copy(files, source, target));
    } else {
      FLATKV_TRY(fs::copy_file(files, source, target, info.size));
    }
    FLATKV_FAILPOINT("engine.clone.file");
  }
  FLATKV_TRY(files.sync_directory(to));
  FLATKV_FAILPOINT("engine.clone.synced");
  return {};
}

}  // namespace flatkv::rocks

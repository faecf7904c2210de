// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/crc32c.hpp"
#include "fs/files.hpp"
#include "layout/generation.hpp"
#include "layout/names.hpp"
#include "layout/snapshot_manifest.hpp"

namespace flatkv::layout {
namespace {

constexpr std::size_t kChunkBytes = 256U << 10;

Result<std::uint32_t> crc_of(fs::FileSystem& files, const std::string& path,
                             std::uint64_t expected_bytes) {
  FLATKV_ASSIGN(const auto file, files.open_read(path));
  Bytes chunk(static_cast<std::size_t>(std::min<std::uint64_t>(kChunkBytes, expected_bytes)));
  std::uint32_t crc = 0;
  for (std::uint64_t at = 0; at < expected_bytes;) {
    const auto part = std::span(chunk).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), expected_bytes - at)));
    FLATKV_ASSIGN(const std::size_t got, file->read_at(at, part));
    if (got < part.size()) {
      return fail(ErrorCode::corruption, "the file ended while it was read")
          .path(path)
          .offset(at + got);
    }
    crc = crc32c(part, crc);
    at += got;
  }
  return crc;
}

Status require_directory(fs::FileSystem& files, const std::string& path) {
  FLATKV_ASSIGN(const bool there, fs::exists(files, path, fs::FileType::directory));
  if (there) return {};
  return fail(ErrorCode::corruption, "the directory is missing").path(path);
}

Status check_file(fs::FileSystem& files, const std::string& path, const SnapshotFile& expected) {
  FLATKV_ASSIGN(const bool there, fs::exists(files, path, fs::FileType::file));
  if (!there) return fail(ErrorCode::corruption, "a file of the snapshot is missing").path(path);
  FLATKV_ASSIGN(const fs::FileInfo info, files.stat(path));
  if (info.size != expected.bytes) {
    return fail(ErrorCode::corruption, "a file of the snapshot has " + std::to_string(info.size) +
                                           " bytes, not " + std::to_string(expected.bytes))
        .path(path);
  }
  if (!expected.crc32c) return {};
  FLATKV_ASSIGN(const std::uint32_t crc, crc_of(files, path, expected.bytes));
  if (crc != *expected.crc32c) {
    return fail(ErrorCode::corruption,
                "a file of the snapshot has another CRC32C than SNAPSHOT says")
        .path(path);
  }
  return {};
}

}  // namespace

Result<std::vector<SnapshotFile>> list_snapshot_files(fs::FileSystem& files,
                                                      const std::string& directory) {
  std::vector<SnapshotFile> list;
  for (const Database database : kAllDatabases) {
    const std::string path = database_path(directory, database);
    FLATKV_TRY(require_directory(files, path));
    FLATKV_ASSIGN(const auto entries, files.list(path));
    for (const fs::DirEntry& entry : entries) {
      SnapshotFile file;
      file.path = fs::join(std::string(to_string(database)), entry.name);
      const std::string full = fs::join(path, entry.name);
      if (entry.type != fs::FileType::file || !is_snapshot_file_path(file.path)) {
        return fail(ErrorCode::corruption, "this does not belong in a database").path(full);
      }
      FLATKV_ASSIGN(const fs::FileInfo info, files.stat(full));
      file.bytes = info.size;
      if (!is_table_path(file.path)) {
        FLATKV_ASSIGN(file.crc32c, crc_of(files, full, info.size));
      }
      list.push_back(std::move(file));
    }
  }
  std::ranges::sort(list, {}, &SnapshotFile::path);
  return list;
}

Status check_snapshot_files(fs::FileSystem& files, const std::string& directory,
                            const SnapshotManifest& manifest) {
  for (const Database database : kAllDatabases) {
    FLATKV_TRY(require_directory(files, database_path(directory, database)));
  }
  for (const SnapshotFile& file : manifest.files) {
    FLATKV_TRY(check_file(files, fs::join(directory, file.path), file));
  }
  return {};
}

}  // namespace flatkv::layout

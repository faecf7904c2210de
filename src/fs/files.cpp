// SPDX-License-Identifier: Apache-2.0
#include "fs/files.hpp"

#include <algorithm>

#include "base/failpoint.hpp"
#include "fs/space.hpp"

namespace flatkv::fs {
namespace {

constexpr std::size_t kCopyChunk = std::size_t{1} << 20;

std::string_view describe(FileType type) {
  switch (type) {
    case FileType::file:
      return "a file";
    case FileType::directory:
      return "a directory";
    case FileType::symlink:
      return "a symbolic link";
    case FileType::other:
      break;
  }
  return "neither a file nor a directory";
}

Status absent_is_fine(Status status) {
  if (!status && status.error().code == ErrorCode::not_found) return {};
  return status;
}

/// Passes a failure on after removing, as far as possible, the file that the function created.
Status discard_on_error(FileSystem& files, const std::string& path, Status status) {
  if (!status) static_cast<void>(files.unlink(path));
  return status;
}

Status fill_file(AppendFile& file, ByteView content) {
  FLATKV_FAILPOINT("fs.write_file.after_create");
  FLATKV_TRY(file.append({&content, 1}));
  FLATKV_FAILPOINT("fs.write_file.after_write");
  return file.sync();
}

Status fill_copy(AppendFile& to, const ReadFile& from, const std::string& from_path,
                 std::uint64_t length) {
  FLATKV_FAILPOINT("fs.copy_file.after_create");
  Bytes chunk(static_cast<std::size_t>(std::min<std::uint64_t>(length, kCopyChunk)));
  for (std::uint64_t done = 0; done < length;) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(length - done, kCopyChunk));
    const auto part = std::span(chunk).first(want);
    FLATKV_ASSIGN(const std::size_t got, from.read_at(done, part));
    if (got < want) {
      return fail(ErrorCode::corruption, "the file became shorter while it was copied")
          .path(from_path)
          .offset(done + got);
    }
    const ByteView view = part;
    FLATKV_TRY(to.append({&view, 1}));
    done += want;
  }
  FLATKV_FAILPOINT("fs.copy_file.after_write");
  return to.sync();
}

std::string replacement_of(const std::string& path) { return path + "-tmp"; }

Status fill_replacement(FileSystem& files, const std::string& temporary, ByteView content) {
  FLATKV_ASSIGN(const auto file, files.create(temporary));
  FLATKV_FAILPOINT("fs.replace_file.after_create");
  FLATKV_TRY(file->append({&content, 1}));
  FLATKV_FAILPOINT("fs.replace_file.after_write");
  FLATKV_TRY(file->sync());
  FLATKV_FAILPOINT("fs.replace_file.after_sync");
  return {};
}

Status remove_entry(FileSystem& files, const std::string& path, FileType type) {
  FLATKV_FAILPOINT("fs.remove_tree.before_entry");
  if (type != FileType::directory) return absent_is_fine(files.unlink(path));
  auto entries = files.list(path);
  if (!entries) return absent_is_fine(std::unexpected(std::move(entries).error()));
  for (const DirEntry& entry : *entries) {
    FLATKV_TRY(remove_entry(files, join(path, entry.name), entry.type));
  }
  FLATKV_FAILPOINT("fs.remove_tree.before_directory");
  return absent_is_fine(files.remove_directory(path));
}

}  // namespace

std::string join(const std::string& directory, std::string_view name) {
  std::string path = directory;
  if (!path.empty() && path.back() != '/') path += '/';
  path += name;
  return path;
}

std::string parent(const std::string& path) {
  std::size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return path.empty() ? "." : "/";
  end = path.find_last_of('/', end);
  if (end == std::string::npos) return ".";
  end = path.find_last_not_of('/', end);
  return end == std::string::npos ? "/" : path.substr(0, end + 1);
}

Result<std::optional<FileInfo>> stat_if_there(FileSystem& files, const std::string& path) {
  Result<FileInfo> info = files.stat(path);
  if (info) return *info;
  if (info.error().code == ErrorCode::not_found) return std::nullopt;
  return std::unexpected(std::move(info).error());
}

Result<bool> exists(FileSystem& files, const std::string& path, FileType type) {
  FLATKV_ASSIGN(const auto info, stat_if_there(files, path));
  if (!info) return false;
  if (info->type == type) return true;
  return fail(ErrorCode::corruption, "expected " + std::string(describe(type)) + ", found " +
                                         std::string(describe(info->type)))
      .path(path);
}

Result<Bytes> read_file(FileSystem& files, const std::string& path, std::uint64_t limit) {
  FLATKV_ASSIGN(const auto file, files.open_read(path));
  if (file->size() > limit) {
    return fail(ErrorCode::corruption, "the file has " + std::to_string(file->size()) +
                                           " bytes, above the limit of " + std::to_string(limit))
        .path(path);
  }
  Bytes content(static_cast<std::size_t>(file->size()));
  FLATKV_ASSIGN(const std::size_t got, file->read_at(0, content));
  if (got < content.size()) {
    return fail(ErrorCode::corruption, "the file became shorter while it was read")
        .path(path)
        .offset(got);
  }
  return content;
}

Status write_file(FileSystem& files, const std::string& path, ByteView content) {
  FLATKV_ASSIGN(const auto file, files.create(path));
  return discard_on_error(files, path, needing(content.size(), fill_file(*file, content)));
}

Status replace_file(FileSystem& files, const std::string& path, ByteView content) {
  FLATKV_TRY(prepare_replacement(files, path, content));
  return needing(content.size(), finish_replacement(files, path));
}

Status prepare_replacement(FileSystem& files, const std::string& path, ByteView content) {
  FLATKV_TRY(drop_replacement(files, path));  // a crash may have left one behind
  const std::string temporary = replacement_of(path);
  return discard_on_error(files, temporary,
                          needing(content.size(), fill_replacement(files, temporary, content)));
}

Status finish_replacement(FileSystem& files, const std::string& path) {
  const std::string temporary = replacement_of(path);
  FLATKV_TRY(discard_on_error(files, temporary, files.rename(temporary, path)));
  FLATKV_FAILPOINT("fs.replace_file.after_rename");
  return files.sync_directory(parent(path));
}

Status drop_replacement(FileSystem& files, const std::string& path) {
  return absent_is_fine(files.unlink(replacement_of(path)));
}

Status copy_file(FileSystem& files, const std::string& from, const std::string& to,
                 std::uint64_t length) {
  FLATKV_ASSIGN(const auto source, files.open_read(from));
  if (source->size() < length) {
    return fail(ErrorCode::corruption,
                "the file is shorter than the " + std::to_string(length) + " bytes to be copied")
        .path(from);
  }
  FLATKV_ASSIGN(const auto target, files.create(to));
  return discard_on_error(files, to, needing(length, fill_copy(*target, *source, from, length)));
}

Status link_or_copy(FileSystem& files, const std::string& from, const std::string& to) {
  FLATKV_ASSIGN(const bool there, exists(files, from, FileType::file));
  if (!there) return fail(ErrorCode::not_found, "nothing to link").path(from);
  const Status linked = files.link(from, to);
  if (linked || linked.error().code != ErrorCode::unsupported) return linked;
  FLATKV_FAILPOINT("fs.link_or_copy.before_copy");
  FLATKV_ASSIGN(const FileInfo info, files.stat(from));
  return copy_file(files, from, to, info.size);
}

Status remove_tree(FileSystem& files, const std::string& path) {
  const Result<FileInfo> info = files.stat(path);
  if (!info) return absent_is_fine(std::unexpected(info.error()));
  return remove_entry(files, path, info->type);
}

Status ensure_directory(FileSystem& files, const std::string& path) {
  const Status made = files.make_directory(path);
  if (made) {
    FLATKV_FAILPOINT("fs.ensure_directory.after_make");
    return files.sync_directory(parent(path));
  }
  const Result<bool> there = exists(files, path, FileType::directory);
  if (!there) return std::unexpected(there.error());
  if (!*there) return made;
  // Its creator may have died before the entry was synced. A parent that we may not read was not
  // made by us.
  const Status synced = files.sync_directory(parent(path));
  if (!synced && synced.error().code == ErrorCode::permission) return {};
  return synced;
}

}  // namespace flatkv::fs

#pragma once

#include <string>

#include "fs/file_system.hpp"

namespace flatkv::fs {

std::string join(const std::string& directory, std::string_view name);
/// The directory part of a path; "." where it has none.
std::string parent(const std::string& path);

/// Whether there is something of that type; other failures than absence are errors.
Result<bool> exists(FileSystem& files, const std::string& path, FileType type);

/// Reads a whole file of at most `limit` bytes; a longer one is `corruption`.
Result<Bytes> read_file(FileSystem& files, const std::string& path, std::uint64_t limit);

/// Writes a new file and syncs it. The caller syncs the directory.
Status write_file(FileSystem& files, const std::string& path, ByteView content);

/// Replaces `path` so that after a crash it holds either the old or the new content: `path`-tmp is
/// written and synced, renamed over it, and the directory synced.
Status replace_file(FileSystem& files, const std::string& path, ByteView content);

/// Copies the first `length` bytes of a file into a new one and syncs that.
Status copy_file(FileSystem& files, const std::string& from, const std::string& to,
                 std::uint64_t length);

/// Links, or copies and syncs where linking is not possible.
Status link_or_copy(FileSystem& files, const std::string& from, const std::string& to);

/// Removes a file or a directory with all in it; nothing there is no error. Follows no links.
Status remove_tree(FileSystem& files, const std::string& path);

/// Makes a directory and syncs its parent; an existing directory is no error.
Status ensure_directory(FileSystem& files, const std::string& path);

}  // namespace flatkv::fs

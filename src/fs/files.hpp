#pragma once

#include <string>

#include "fs/file_system.hpp"

namespace flatkv::fs {

std::string join(const std::string& directory, std::string_view name);
/// The directory part of a path; "." where it has none.
std::string parent(const std::string& path);

/// Whether it is there. Other failures than absence are errors, and so is something of another type
/// (`corruption`): a symbolic link must never pass for "nothing there yet".
Result<bool> exists(FileSystem& files, const std::string& path, FileType type);

/// Reads a whole file of at most `limit` bytes; a longer one is `corruption`.
Result<Bytes> read_file(FileSystem& files, const std::string& path, std::uint64_t limit);

/// Writes a new file and syncs it; removes it again on an error. The caller syncs the directory.
Status write_file(FileSystem& files, const std::string& path, ByteView content);

/// Replaces `path` so that after a crash it holds either the old or the new content: `path`-tmp is
/// written and synced, renamed over it, and the directory synced.
Status replace_file(FileSystem& files, const std::string& path, ByteView content);

/// Copies the first `length` bytes of a file into a new one and syncs that; a source that is
/// shorter is `corruption`. The caller syncs the directory.
Status copy_file(FileSystem& files, const std::string& from, const std::string& to,
                 std::uint64_t length);

/// Links, or copies and syncs where linking is not possible. Only regular files. The caller syncs
/// the directory.
Status link_or_copy(FileSystem& files, const std::string& from, const std::string& to);

/// Removes a file or a directory with all in it; nothing there is no error. Follows no links.
Status remove_tree(FileSystem& files, const std::string& path);

/// Makes a directory and syncs its parent; an existing directory is no error (the parent is synced
/// all the same, if we may read it: whoever made it may have died before).
Status ensure_directory(FileSystem& files, const std::string& path);

}  // namespace flatkv::fs

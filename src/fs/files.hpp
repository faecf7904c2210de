// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "fs/file_system.hpp"

namespace flatkv::fs {

std::string join(const std::string& directory, std::string_view name);
/// The directory part of a path; "." if there is none.
std::string parent(const std::string& path);

/// What is at `path`; nullopt if there is nothing.
Result<std::optional<FileInfo>> stat_if_there(FileSystem& files, const std::string& path);

/// Whether `path` exists with this type. Another type is `corruption`, so that a symbolic link
/// never passes for "nothing there yet"; a failure to find out is an error, too.
Result<bool> exists(FileSystem& files, const std::string& path, FileType type);

/// Reads a whole file of at most `limit` bytes; a longer one is `corruption`.
Result<Bytes> read_file(FileSystem& files, const std::string& path, std::uint64_t limit);

/// Writes a new file and syncs it; removes it on an error. The caller syncs the directory.
Status write_file(FileSystem& files, const std::string& path, ByteView content);

/// Replaces `path` so that it holds either the old or the new content after a crash: writes and
/// syncs `path`-tmp, renames it over `path` and syncs the directory.
Status replace_file(FileSystem& files, const std::string& path, ByteView content);
/// Its two halves, for who has to know first that there is space: the first one writes and syncs
/// `path`-tmp, the second one needs none. Each removes `path`-tmp on an error.
Status prepare_replacement(FileSystem& files, const std::string& path, ByteView content);
Status finish_replacement(FileSystem& files, const std::string& path);
/// Removes `path`-tmp, if it is there.
Status drop_replacement(FileSystem& files, const std::string& path);

/// Copies the first `length` bytes of a file into a new one and syncs it; a shorter source is
/// `corruption`. The caller syncs the directory.
Status copy_file(FileSystem& files, const std::string& from, const std::string& to,
                 std::uint64_t length);

/// Links a regular file, or copies and syncs it where linking is impossible. The caller syncs the
/// directory.
Status link_or_copy(FileSystem& files, const std::string& from, const std::string& to);

/// Removes a file, or a directory with its content. Absence is no error. Follows no links.
Status remove_tree(FileSystem& files, const std::string& path);

/// Makes a directory unless it exists, and syncs its parent in both cases: its creator may have
/// died before doing so. A parent that we may not read is left out.
Status ensure_directory(FileSystem& files, const std::string& path);

}  // namespace flatkv::fs

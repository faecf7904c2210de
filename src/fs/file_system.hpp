// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "flatkv/bytes.hpp"

namespace flatkv::fs {

/// A file that is written at its end. One thread appends; `sync` may run beside it on another.
/// The destructor closes the file and does not sync it.
class AppendFile {
 public:
  virtual ~AppendFile() = default;
  /// Writes all parts one after another; completes short writes and EINTR. After an error the
  /// number of bytes written is unknown, and every later call fails.
  virtual Status append(std::span<const ByteView> parts) = 0;
  /// fdatasync: what was appended is on stable storage. Never retried after an error.
  virtual Status sync() = 0;
  /// Cuts the file to its first `size` bytes, which it must have.
  virtual Status truncate(std::uint64_t size) = 0;
  /// Bytes in the file.
  virtual std::uint64_t size() const = 0;
};

/// A file opened for reading at any offset. Thread-safe.
class ReadFile {
 public:
  virtual ~ReadFile() = default;
  /// Reads up to `into.size()` bytes; fewer only at the end of the file.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> into) const = 0;
  /// Size at the time of opening.
  virtual std::uint64_t size() const = 0;
};

enum class FileType : std::uint8_t { file, directory, symlink, other };

struct FileInfo {
  FileType type = FileType::file;
  std::uint64_t size = 0;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t links = 1;  ///< names that lead to it

  /// Whether the two are of one file or directory.
  bool is_same(const FileInfo& other) const noexcept {
    return device == other.device && inode == other.inode;
  }
};

struct DirEntry {
  std::string name;
  FileType type = FileType::file;
};

/// An exclusive flock on a directory's descriptor (close-on-exec), released by the destructor or at
/// the end of the process, but not by a forked child. It survives the deletion of any file in the
/// directory.
class DirLock {
 public:
  virtual ~DirLock() = default;
  /// Whether the path still leads to the locked directory (device and inode are compared).
  virtual Result<bool> still_at(const std::string& path) const = 0;
};

/// All file operations that must be durable go through here, so that tests can put a simulated disk
/// under the store. Paths are taken as given. No symbolic link is followed in the last component,
/// except with a trailing slash ("link/" is the directory behind it). Files are created with mode
/// 0600, directories with 0700. Descriptors are never 0, 1 or 2. Thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  /// Creates an empty file; an existing one is an error.
  virtual Result<std::unique_ptr<AppendFile>> create(const std::string& path) = 0;
  /// Opens an existing file for writing at its end.
  virtual Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) = 0;
  virtual Result<std::unique_ptr<ReadFile>> open_read(const std::string& path) = 0;

  virtual Status make_directory(const std::string& path) = 0;
  /// Entries without "." and "..", in name order.
  virtual Result<std::vector<DirEntry>> list(const std::string& path) = 0;
  /// lstat; `not_found` if there is nothing.
  virtual Result<FileInfo> stat(const std::string& path) = 0;

  /// `unsupported` for EXDEV: overlayfs does not rename directories that a lower layer holds.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  /// Gives a file a second name; `unsupported` where that is impossible (EXDEV, EMLINK, EPERM).
  virtual Status link(const std::string& from, const std::string& to) = 0;
  virtual Status unlink(const std::string& path) = 0;
  virtual Status remove_directory(const std::string& path) = 0;
  /// fsync of the directory: its entries are on stable storage.
  virtual Status sync_directory(const std::string& path) = 0;

  /// Takes the lock without waiting; `locked` if another handle has it.
  virtual Result<std::unique_ptr<DirLock>> lock_directory(const std::string& path) = 0;
  /// Whether the path lies on a known network file system.
  virtual Result<bool> is_network(const std::string& path) = 0;
};

/// The real file system; lives as long as the process.
FileSystem& posix();

}  // namespace flatkv::fs

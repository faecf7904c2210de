// SPDX-License-Identifier: Apache-2.0
#include <rocksdb/env.h>
#include <rocksdb/io_status.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <system_error>

#include "simdisk/fronts.hpp"

namespace flatkv::simdisk {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

/// Converts an errno as RocksDB's own POSIX layer does.
IOStatus io(int error, const std::string& path) {
  if (error == 0) return IOStatus::OK();
  const std::string text = std::generic_category().message(error);
  if (error == ENOENT) return IOStatus::PathNotFound(path, text);
  if (error == EXDEV || error == EMLINK || error == EPERM || error == EOPNOTSUPP) {
    return IOStatus::NotSupported(path, text);
  }
  if (error == ENOSPC) {
    IOStatus full = IOStatus::NoSpace(path, text);
    full.SetRetryable(true);
    return full;
  }
  return IOStatus::IOError(path, text);
}

ByteView bytes(const Slice& slice) {
  return as_bytes(std::string_view(slice.data(), slice.size()));
}

IOStatus read(Disk& disk, const Handle& file, std::uint64_t offset, std::size_t length,
              Slice* result, char* scratch) {
  std::size_t got = 0;
  const int error =
      disk.read(file, offset, {reinterpret_cast<std::uint8_t*>(scratch), length}, got);
  *result = Slice(scratch, error == 0 ? got : 0);
  return io(error, file.path);
}

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  SequentialFile(Disk& disk, Handle file) : disk_(disk), file_(std::move(file)) {}
  IOStatus Read(std::size_t length, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) override {
    IOStatus done = read(disk_, file_, offset_, length, result, scratch);
    offset_ += result->size();
    return done;
  }
  IOStatus Skip(std::uint64_t length) override {
    offset_ += length;
    return IOStatus::OK();
  }

 private:
  Disk& disk_;
  Handle file_;
  std::uint64_t offset_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  RandomAccessFile(Disk& disk, Handle file) : disk_(disk), file_(std::move(file)) {}
  IOStatus Read(std::uint64_t offset, std::size_t length, const IOOptions&, Slice* result,
                char* scratch, IODebugContext*) const override {
    return read(disk_, file_, offset, length, result, scratch);
  }
  IOStatus Prefetch(std::uint64_t, std::size_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();
  }

 private:
  Disk& disk_;
  Handle file_;
};

class WritableFile final : public rocksdb::FSWritableFile {
 public:
  WritableFile(Disk& disk, Handle file, const FileOptions& options)
      : FSWritableFile(options), disk_(disk), file_(std::move(file)) {}
  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    const ByteView part = bytes(data);
    return io(disk_.append(file_, {&part, 1}), file_.path);
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions&, IODebugContext*) override {
    return io(disk_.truncate(file_, size), file_.path);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    return io(disk_.sync(file_), file_.path);
  }
  bool IsSyncThreadSafe() const override { return true; }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override {
    return disk_.size(file_);
  }

 private:
  Disk& disk_;
  Handle file_;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(Disk& disk, Handle directory) : disk_(disk), directory_(std::move(directory)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    return io(disk_.sync_directory(directory_), directory_.path);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  Disk& disk_;
  Handle directory_;
};

class Lock final : public rocksdb::FileLock {
 public:
  explicit Lock(Handle file) : file_(std::move(file)) {}
  const Handle& file() const { return file_; }

 private:
  Handle file_;
};

/// The information log is written by any thread at any time, which no seed repeats, and the one
/// that RocksDB would create asserts that its file never fails: so there is none.
class SilentLogger final : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
};

class SimRocksFileSystem final : public rocksdb::FileSystem {
 public:
  SimRocksFileSystem(Disk& disk, Epoch epoch) : disk_(disk), epoch_(epoch) {}
  const char* Name() const override { return "FlatKVSimDisk"; }

  IOStatus NewSequentialFile(const std::string& path, const FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext*) override {
    return opened<SequentialFile>(path, result);
  }
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext*) override {
    return opened<RandomAccessFile>(path, result);
  }
  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext*) override {
    Handle file;
    const int error = disk_.create(epoch_, path, false, file);
    if (error == 0) *result = std::make_unique<WritableFile>(disk_, std::move(file), options);
    return io(error, path);
  }
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* result,
                              IODebugContext* context) override {
    Handle file;
    const int error = disk_.open(epoch_, path, file);
    if (error == ENOENT) return NewWritableFile(path, options, result, context);
    if (error == 0) *result = std::make_unique<WritableFile>(disk_, std::move(file), options);
    return io(error, path);
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions&,
                        std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext*) override {
    Handle directory;
    const int error = disk_.open_directory(epoch_, path, directory);
    if (error == 0) *result = std::make_unique<Directory>(disk_, std::move(directory));
    return io(error, path);
  }

  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    Attributes found;
    const int error = disk_.stat(epoch_, path, found);
    return error == ENOENT ? IOStatus::NotFound() : io(error, path);
  }
  IOStatus GetChildren(const std::string& path, const IOOptions&, std::vector<std::string>* result,
                       IODebugContext*) override {
    std::vector<std::pair<std::string, bool>> found;
    const int error = disk_.list(epoch_, path, found);
    result->clear();
    for (auto& entry : found) result->push_back(std::move(entry.first));
    return io(error, path);
  }
  IOStatus GetFileSize(const std::string& path, const IOOptions&, std::uint64_t* size,
                       IODebugContext*) override {
    Attributes found;
    const int error = disk_.stat(epoch_, path, found);
    *size = found.size;
    return io(error, path);
  }
  IOStatus GetFileModificationTime(const std::string& path, const IOOptions&, std::uint64_t* time,
                                   IODebugContext*) override {
    Attributes found;
    const int error = disk_.stat(epoch_, path, found);
    *time = found.modified;
    return io(error, path);
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* directory,
                       IODebugContext*) override {
    Attributes found;
    const int error = disk_.stat(epoch_, path, found);
    *directory = found.directory;
    return io(error, path);
  }
  IOStatus NumFileLinks(const std::string& path, const IOOptions&, std::uint64_t* links,
                        IODebugContext*) override {
    Attributes found;
    const int error = disk_.stat(epoch_, path, found);
    *links = found.links;
    return io(error, path);
  }
  IOStatus AreFilesSame(const std::string& first, const std::string& second, const IOOptions&,
                        bool* same, IODebugContext*) override {
    Attributes one;
    Attributes other;
    int error = disk_.stat(epoch_, first, one);
    if (error == 0) error = disk_.stat(epoch_, second, other);
    *same = one.id == other.id;
    return io(error, first);
  }
  IOStatus GetFreeSpace(const std::string&, const IOOptions&, std::uint64_t* free,
                        IODebugContext*) override {
    *free = disk_.capacity() - std::min(disk_.capacity(), disk_.used());
    return IOStatus::OK();
  }

  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    return io(disk_.unlink(epoch_, path), path);
  }
  IOStatus Truncate(const std::string& path, std::size_t size, const IOOptions&,
                    IODebugContext*) override {
    Handle file;
    int error = disk_.open(epoch_, path, file);
    if (error == 0) error = disk_.truncate(file, size);
    return io(error, path);
  }
  IOStatus CreateDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return io(disk_.make_directory(epoch_, path), path);
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions& options,
                              IODebugContext* context) override {
    bool directory = false;
    const IOStatus found = IsDirectory(path, options, &directory, context);
    if (found.ok()) return directory ? found : IOStatus::IOError(path, "not a directory");
    return io(disk_.make_directory(epoch_, path), path);
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return io(disk_.remove_directory(epoch_, path), path);
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
    return io(disk_.rename(epoch_, from, to), from);
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions&,
                    IODebugContext*) override {
    return io(disk_.link(epoch_, from, to), from);
  }

  IOStatus LockFile(const std::string& path, const IOOptions&, rocksdb::FileLock** lock,
                    IODebugContext*) override {
    *lock = nullptr;
    Handle file;
    int error = disk_.open(epoch_, path, file);
    if (error == ENOENT) error = disk_.create(epoch_, path, false, file);
    if (error == 0) error = disk_.lock(file);
    if (error == 0) *lock = new Lock(std::move(file));  // RocksDB hands it to UnlockFile
    return io(error, path);
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    const std::unique_ptr<Lock> own(static_cast<Lock*>(lock));
    disk_.unlock(own->file());
    return IOStatus::OK();
  }

  IOStatus NewLogger(const std::string&, const IOOptions&, std::shared_ptr<rocksdb::Logger>* result,
                     IODebugContext*) override {
    *result = std::make_shared<SilentLogger>();
    return IOStatus::OK();
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string* path, IODebugContext*) override {
    *path = "/test";
    return IOStatus::OK();
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* absolute,
                           IODebugContext*) override {
    *absolute = path;
    return IOStatus::OK();
  }

 private:
  template <class File, class Base>
  IOStatus opened(const std::string& path, std::unique_ptr<Base>* result) {
    Handle file;
    const int error = disk_.open(epoch_, path, file);
    if (error == 0) *result = std::make_unique<File>(disk_, std::move(file));
    return io(error, path);
  }

  Disk& disk_;
  Epoch epoch_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> make_rocksdb_file_system(Disk& disk, Epoch epoch) {
  return std::make_shared<SimRocksFileSystem>(disk, epoch);
}

}  // namespace flatkv::simdisk

// SPDX-License-Identifier: Apache-2.0
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "rocks/own_directory.hpp"
#include "rocks/read_pace.hpp"
#include "rocks/rocks.hpp"

namespace flatkv::rocks {
namespace {

/// RocksDB reads the blocks that it needs of a table one after the other. This asks the system for
/// all of them first, where the thread expects to wait for the device; and it notes what the thread
/// waited. Of a table that is read through, it asks for the next part as soon as it has one: the
/// device then works beside whoever looks at the rows (RocksDB tells the system to expect reads in
/// no order, so the system does not read ahead by itself).
class AskingFile : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  using FSRandomAccessFileOwnerWrapper::FSRandomAccessFileOwnerWrapper;

  rocksdb::IOStatus Read(std::uint64_t offset, std::size_t bytes, const rocksdb::IOOptions& options,
                         rocksdb::Slice* result, char* scratch,
                         rocksdb::IODebugContext* debug) const override {
    rocksdb::IOStatus done = DeviceWaits::timed(
        1, [&] { return target()->Read(offset, bytes, options, result, scratch, debug); });
    if (bytes >= kLeastOfScan && done.ok()) {
      target()
          ->Prefetch(offset + bytes, std::min(bytes, kMostAhead), options, debug)
          .PermitUncheckedError();
    }
    return done;
  }
  rocksdb::IOStatus MultiRead(rocksdb::FSReadRequest* requests, std::size_t count,
                              const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override {
    if (reads_wait() && count > 1) {
      for (const rocksdb::FSReadRequest& one : std::span(requests, count)) {
        // Only a hint; the read itself tells of trouble.
        target()->Prefetch(one.offset, one.len, options, debug).PermitUncheckedError();
      }
    }
    return DeviceWaits::timed(count,
                              [&] { return target()->MultiRead(requests, count, options, debug); });
  }

 private:
  /// Longer reads than this are of a scan: a lookup reads one block.
  static constexpr std::size_t kLeastOfScan = std::size_t{64} << 10;
  static constexpr std::size_t kMostAhead = std::size_t{1} << 20;
};

/// RocksDB creates files that everyone may read; ours belong to the owner alone. Their directory is
/// private already, so the moment before the mode is set exposes nothing. And it looks for files by
/// path, so it is told that a directory is gone where another one took its place.
class PrivateFileSystem : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;
  const char* Name() const override { return "flatkv-private"; }

  rocksdb::IOStatus NewRandomAccessFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                        rocksdb::IODebugContext* debug) override {
    if (OwnDirectory::is_others(name)) return others(name);
    rocksdb::IOStatus status = target()->NewRandomAccessFile(name, options, result, debug);
    if (status.ok()) *result = std::make_unique<AskingFile>(std::move(*result));
    return status;
  }
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override {
    if (OwnDirectory::is_others(name)) return others(name);
    unshare(name);
    rocksdb::IOStatus status = target()->NewWritableFile(name, options, result, debug);
    return status.ok() ? restrict(name, 0600) : status;
  }
  rocksdb::IOStatus GetChildren(const std::string& directory, const rocksdb::IOOptions& options,
                                std::vector<std::string>* names,
                                rocksdb::IODebugContext* debug) override {
    if (OwnDirectory::is_replaced(directory)) return others(directory);
    return target()->GetChildren(directory, options, names, debug);
  }
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    if (OwnDirectory::is_others(name)) return others(name);
    return target()->DeleteFile(name, options, debug);
  }
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    if (OwnDirectory::is_others(to)) return others(to);
    return target()->RenameFile(from, to, options, debug);
  }
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
    if (OwnDirectory::is_others(to)) return others(to);
    return target()->LinkFile(from, to, options, debug);
  }
  rocksdb::IOStatus CreateDir(const std::string& name, const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = target()->CreateDir(name, options, debug);
    return status.ok() ? restrict(name, 0700) : status;
  }
  rocksdb::IOStatus LockFile(const std::string& name, const rocksdb::IOOptions& options,
                             rocksdb::FileLock** lock, rocksdb::IODebugContext* debug) override {
    unshare(name);
    rocksdb::IOStatus status = target()->LockFile(name, options, lock, debug);
    if (!status.ok()) return status;
    rocksdb::IOStatus restricted = restrict(name, 0600);
    if (!restricted.ok()) target()->UnlockFile(*lock, options, debug).PermitUncheckedError();
    return restricted;
  }

 private:
  static rocksdb::IOStatus others(const std::string& name) {
    return rocksdb::IOStatus::IOError(name, "its directory was moved away or replaced");
  }
  /// Takes away a name that RocksDB is about to write to where the file has others, as after a copy
  /// by hard links. It would empty the file in both places (a MANIFEST that a killed process left
  /// has the number of the next one), and its lock would shut out the other place.
  static void unshare(const std::string& name) {
    struct stat info{};
    if (::lstat(name.c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink > 1) {
      ::unlink(name.c_str());
    }
  }
  static rocksdb::IOStatus restrict(const std::string& name, ::mode_t mode) {
    if (::chmod(name.c_str(), mode) == 0) return rocksdb::IOStatus::OK();
    return rocksdb::IOStatus::IOError("cannot set the mode of " + name,
                                      std::generic_category().message(errno));
  }
};

}  // namespace

rocksdb::Env* environment(const DbOptions& options) {
  if (options.env != nullptr) return options.env;
  // Never destroyed: RocksDB's threads may outlive static objects.
  static rocksdb::Env* const private_env = [] {
    rocksdb::Env* const made = rocksdb::NewCompositeEnv(std::make_shared<PrivateFileSystem>(
                                                            rocksdb::FileSystem::Default()))
                                   .release();
    // Compactions yield to blocks, as flushes do. The pools are process-wide: other users of
    // RocksDB in this process compact at that priority, too.
    made->LowerThreadPoolCPUPriority(rocksdb::Env::LOW);
    made->LowerThreadPoolCPUPriority(rocksdb::Env::BOTTOM);
    return made;
  }();
  return private_env;
}

}  // namespace flatkv::rocks

// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>

#include "fs/descriptor.hpp"
#include "fs/file_system.hpp"
#include "fs/files.hpp"
#include "fs/network.hpp"
#include "fs/write_fully.hpp"

namespace flatkv::fs {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kPermissionBits = 0777;
constexpr unsigned kDirentTypeShift = 12;  // d_type is the file type bits of the mode (DTTOIF)

// O_NONBLOCK: opening a FIFO that somebody put there must not hang; regular files ignore it.
constexpr int kAlways = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

/// Repeats a system call that a signal interrupted. Never for fsync and close.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// Whoever closed standard input, output or error would otherwise find a file of the store there,
/// and the next message printed would go into it.
Result<Descriptor> above_standard(Descriptor opened, const std::string& path) {
  if (opened.get() > STDERR_FILENO) return opened;
  const int number = ::fcntl(opened.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (number < 0) return fail_errno(errno, "duplicate a descriptor", path);
  return Descriptor(number);
}

Result<Descriptor> open_at(const std::string& path, int flags, std::string doing) {
  const int number =
      uninterrupted([&] { return ::open(path.c_str(), flags | kAlways, kFileMode); });
  if (number < 0) return fail_errno(errno, std::move(doing), path);
  return above_standard(Descriptor(number), path);
}

Result<Descriptor> open_directory(const std::string& path) {
  return open_at(path, O_RDONLY | O_DIRECTORY, "open directory");
}

FileType type_of(mode_t mode) {
  if (S_ISREG(mode)) return FileType::file;
  if (S_ISDIR(mode)) return FileType::directory;
  if (S_ISLNK(mode)) return FileType::symlink;
  return FileType::other;
}

/// The size of an open regular file; refuses anything else.
Result<std::uint64_t> size_of(const Descriptor& file, const std::string& path) {
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return fail_errno(errno, "stat", path);
  if (!S_ISREG(info.st_mode)) return fail(ErrorCode::io, "not a regular file").path(path);
  return static_cast<std::uint64_t>(info.st_size);
}

class PosixAppendFile final : public AppendFile {
 public:
  PosixAppendFile(Descriptor file, std::string path, std::uint64_t size)
      : file_(std::move(file)), path_(std::move(path)), size_(size), begun_(size) {}

  Status append(std::span<const ByteView> parts) override {
    FLATKV_TRY(check());
    std::array<iovec, kVectors> vectors;
    std::size_t filled = 0;
    for (const ByteView part : parts) {
      if (part.empty()) continue;
      // writev takes a pointer to non-const but does not write through it.
      vectors[filled++] = {const_cast<std::uint8_t*>(part.data()), part.size()};
      if (filled == vectors.size()) {
        FLATKV_TRY(write_all(vectors));
        filled = 0;
      }
    }
    FLATKV_TRY(write_all(std::span(vectors).first(filled)));
    begin_writing_back();
    return {};
  }

  Status sync() override {
    FLATKV_TRY(check());
    // Not retried, not even on EINTR: after a failed sync the kernel may have dropped the dirty
    // pages and would report success the next time.
    if (::fdatasync(file_.get()) != 0) return broken(fail_errno(errno, "fdatasync", path_));
    return {};
  }

  Status truncate(std::uint64_t size) override {
    FLATKV_TRY(check());
    int done = 0;
    do {
      done = ::ftruncate(file_.get(), static_cast<off_t>(size));
    } while (done != 0 && errno == EINTR);
    if (done != 0) return broken(fail_errno(errno, "ftruncate", path_));
    size_.store(size, std::memory_order_relaxed);
    begun_ = std::min(begun_, size);
    return {};
  }

  std::uint64_t size() const override { return size_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kVectors = std::min(IOV_MAX, 256);
  static constexpr std::uint64_t kPage = 4096;
  /// Large enough for a device to be busy with, small enough for a sync to wait for.
  static constexpr std::uint64_t kBeginBytes = std::uint64_t{4} << 20;

  Status check() const {
    if (!failed_.load(std::memory_order_relaxed)) return {};
    return fail(ErrorCode::io, "an earlier write or sync of this file failed").path(path_);
  }

  std::unexpected<Error> broken(Failure&& failure) {
    failed_.store(true, std::memory_order_relaxed);
    return std::unexpected(std::move(failure).error());
  }

  Status write_all(std::span<iovec> vectors) {
    const Written done = write_fully(vectors, [this](const iovec* parts, int count) {
      return ::writev(file_.get(), parts, count);
    });
    size_.fetch_add(done.bytes, std::memory_order_relaxed);
    if (done.error != 0) return broken(fail_errno(done.error, "write", path_));
    return {};
  }

  /// Without this, whoever does not sync each append would wait for the whole file at its end. The
  /// last page stays, since the next append changes it.
  void begin_writing_back() noexcept {
    const std::uint64_t end = size() / kPage * kPage;
    if (end < begun_ + kBeginBytes) return;
    // Only a hint: with this flag alone the kernel keeps errors of the file for the sync.
    static_cast<void>(::sync_file_range(file_.get(), static_cast<off_t>(begun_),
                                        static_cast<off_t>(end - begun_), SYNC_FILE_RANGE_WRITE));
    begun_ = end;
  }

  Descriptor file_;
  std::string path_;
  std::atomic<std::uint64_t> size_;
  std::uint64_t begun_;  ///< up to here the system was told to write
  std::atomic<bool> failed_ = false;
};

class PosixReadFile final : public ReadFile {
 public:
  PosixReadFile(Descriptor file, std::string path, std::uint64_t size)
      : file_(std::move(file)), path_(std::move(path)), size_(size) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> into) const override {
    std::size_t done = 0;
    while (done < into.size()) {
      const ssize_t result = uninterrupted([&] {
        return ::pread(file_.get(), into.data() + done, into.size() - done,
                       static_cast<off_t>(offset + done));
      });
      if (result < 0) return fail_errno(errno, "read", path_).offset(offset + done);
      if (result == 0) break;
      done += static_cast<std::size_t>(result);
    }
    return done;
  }

  std::uint64_t size() const override { return size_; }

 private:
  Descriptor file_;
  std::string path_;
  std::uint64_t size_;
};

class PosixDirLock final : public DirLock {
 public:
  PosixDirLock(Descriptor directory, FileInfo info)
      : directory_(std::move(directory)), info_(info) {}
  PosixDirLock(const PosixDirLock&) = delete;
  PosixDirLock& operator=(const PosixDirLock&) = delete;
  /// Closing is not enough: a child that was forked meanwhile has the same open file, and would
  /// hold the lock for as long as it lives. And such a child must not let go of what is not its
  /// own.
  ~PosixDirLock() override {
    if (::getpid() == owner_) static_cast<void>(::flock(directory_.get(), LOCK_UN));
  }

  Result<bool> still_at(const std::string& path) const override {
    FLATKV_ASSIGN(const auto now, stat_if_there(posix(), path));
    return now && now->is_same(info_);
  }

 private:
  Descriptor directory_;  // closing it releases the flock
  FileInfo info_;
  pid_t owner_ = ::getpid();
};

FileInfo info_of(const struct stat& info) {
  return {type_of(info.st_mode), static_cast<std::uint64_t>(info.st_size), info.st_dev, info.st_ino,
          info.st_nlink};
}

/// The type from readdir, or from lstat where the file system does not report it.
Result<FileType> entry_type(int directory, const dirent& entry, const std::string& path) {
  if (entry.d_type != DT_UNKNOWN) {
    return type_of(static_cast<mode_t>(entry.d_type) << kDirentTypeShift);
  }
  struct stat info{};
  if (::fstatat(directory, entry.d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return fail_errno(errno, "stat", path + "/" + entry.d_name);
  }
  return type_of(info.st_mode);
}

class Posix final : public FileSystem {
 public:
  Result<std::unique_ptr<AppendFile>> create(const std::string& path) override {
    FLATKV_ASSIGN(Descriptor file, open_at(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL, "create"));
    // open applied the umask to the mode.
    if (::fchmod(file.get(), kFileMode) != 0) {
      const int number = errno;
      ::unlink(path.c_str());
      return fail_errno(number, "set the mode of", path);
    }
    return std::make_unique<PosixAppendFile>(std::move(file), path, 0);
  }

  Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) override {
    FLATKV_ASSIGN(Descriptor file, open_at(path, O_WRONLY | O_APPEND, "open for writing"));
    FLATKV_ASSIGN(const std::uint64_t size, size_of(file, path));
    return std::make_unique<PosixAppendFile>(std::move(file), path, size);
  }

  Result<std::unique_ptr<ReadFile>> open_read(const std::string& path) override {
    FLATKV_ASSIGN(Descriptor file, open_at(path, O_RDONLY, "open"));
    FLATKV_ASSIGN(const std::uint64_t size, size_of(file, path));
    return std::make_unique<PosixReadFile>(std::move(file), path, size);
  }

  Status make_directory(const std::string& path) override {
    if (::mkdir(path.c_str(), kDirectoryMode) != 0) {
      return fail_errno(errno, "make directory", path);
    }
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) return fail_errno(errno, "stat", path);
    // By path and only if needed: with an unusual umask the directory cannot be opened yet.
    if ((info.st_mode & kPermissionBits) != kDirectoryMode &&
        ::chmod(path.c_str(), kDirectoryMode) != 0) {
      return fail_errno(errno, "set the mode of", path);
    }
    return {};
  }

  Result<std::vector<DirEntry>> list(const std::string& path) override {
    FLATKV_ASSIGN(const Descriptor directory, open_directory(path));
    // closedir closes the descriptor given to fdopendir, so give it a copy.
    const int own = ::fcntl(directory.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (own < 0) return fail_errno(errno, "list", path);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(
        ::fdopendir(own), [](DIR* open) { return open == nullptr ? 0 : ::closedir(open); });
    if (!stream) {
      const int number = errno;
      ::close(own);
      return fail_errno(number, "list", path);
    }
    std::vector<DirEntry> entries;
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(stream.get());
      if (entry == nullptr) break;
      std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      const Result<FileType> type = entry_type(directory.get(), *entry, path);
      if (!type && type.error().code == ErrorCode::not_found) continue;  // removed in the meantime
      if (!type) return std::unexpected(type.error());
      entries.push_back({std::move(name), *type});
    }
    if (errno != 0) return fail_errno(errno, "list", path);
    std::ranges::sort(entries, {}, &DirEntry::name);
    return entries;
  }

  Result<FileInfo> stat(const std::string& path) override {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) return fail_errno(errno, "stat", path);
    return info_of(info);
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    const int number = errno;
    Failure failure = fail_errno(number, "rename to " + to, from);
    if (number != EXDEV) return failure;
    return fail(ErrorCode::unsupported, std::move(failure).error().message).path(from);
  }

  Status link(const std::string& from, const std::string& to) override {
    // linkat without AT_SYMLINK_FOLLOW, because link() may follow a symbolic link.
    if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), 0) == 0) return {};
    const int number = errno;
    Failure failure = fail_errno(number, "link to " + to, from);
    const bool cannot = number == EXDEV || number == EMLINK || number == EPERM ||
                        number == EOPNOTSUPP || number == ENOSYS;
    if (!cannot) return failure;
    return fail(ErrorCode::unsupported, std::move(failure).error().message).path(from);
  }

  Status unlink(const std::string& path) override {
    if (::unlink(path.c_str()) == 0) return {};
    return fail_errno(errno, "remove", path);
  }

  Status remove_directory(const std::string& path) override {
    if (::rmdir(path.c_str()) == 0) return {};
    return fail_errno(errno, "remove directory", path);
  }

  Status sync_directory(const std::string& path) override {
    FLATKV_ASSIGN(const Descriptor directory, open_directory(path));
    if (::fsync(directory.get()) != 0) return fail_errno(errno, "fsync directory", path);
    return {};
  }

  Result<std::unique_ptr<DirLock>> lock_directory(const std::string& path) override {
    FLATKV_ASSIGN(Descriptor directory, open_directory(path));
    if (uninterrupted([&] { return ::flock(directory.get(), LOCK_EX | LOCK_NB); }) != 0) {
      if (errno != EWOULDBLOCK) return fail_errno(errno, "lock", path);
      return fail(ErrorCode::locked, "another handle has the directory locked").path(path);
    }
    struct stat info{};
    if (::fstat(directory.get(), &info) != 0) return fail_errno(errno, "stat", path);
    return std::make_unique<PosixDirLock>(std::move(directory), info_of(info));
  }

  Result<bool> is_network(const std::string& path) override {
    struct statfs info{};
    if (uninterrupted([&] { return ::statfs(path.c_str(), &info); }) != 0) {
      return fail_errno(errno, "statfs", path);
    }
    return is_network_type(static_cast<std::uint32_t>(info.f_type));
  }
};

}  // namespace

FileSystem& posix() {
  static Posix instance;
  return instance;
}

}  // namespace flatkv::fs

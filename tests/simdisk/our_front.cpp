// SPDX-License-Identifier: Apache-2.0
#include <cerrno>

#include "simdisk/fronts.hpp"

namespace flatkv::simdisk {
namespace {

Status status(int error, const char* doing, const std::string& path) {
  if (error == 0) return {};
  return fail_errno(error, doing, path);
}

class SimAppendFile final : public fs::AppendFile {
 public:
  SimAppendFile(Disk& disk, Handle file) : disk_(disk), file_(std::move(file)) {}

  Status append(std::span<const ByteView> parts) override {
    if (failed_) return status(EIO, "write after an error", file_.path);
    const int error = disk_.append(file_, parts);
    failed_ = error != 0;
    return status(error, "write", file_.path);
  }
  Status sync() override {
    if (failed_) return status(EIO, "sync after an error", file_.path);
    const int error = disk_.sync(file_);
    failed_ = error != 0;
    return status(error, "fdatasync", file_.path);
  }
  Status truncate(std::uint64_t size) override {
    if (failed_) return status(EIO, "truncate after an error", file_.path);
    const int error = disk_.truncate(file_, size);
    failed_ = error != 0;
    return status(error, "ftruncate", file_.path);
  }
  std::uint64_t size() const override { return disk_.size(file_); }

 private:
  Disk& disk_;
  Handle file_;
  std::atomic<bool> failed_ = false;
};

class SimReadFile final : public fs::ReadFile {
 public:
  SimReadFile(Disk& disk, Handle file)
      : disk_(disk), file_(std::move(file)), size_(disk.size(file_)) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> into) const override {
    std::size_t got = 0;
    FLATKV_TRY(status(disk_.read(file_, offset, into, got), "read", file_.path));
    return got;
  }
  std::uint64_t size() const override { return size_; }

 private:
  Disk& disk_;
  Handle file_;
  std::uint64_t size_;
};

class SimDirLock final : public fs::DirLock {
 public:
  SimDirLock(Disk& disk, Handle directory) : disk_(disk), directory_(std::move(directory)) {}
  SimDirLock(const SimDirLock&) = delete;
  SimDirLock& operator=(const SimDirLock&) = delete;
  ~SimDirLock() override { disk_.unlock(directory_); }

  Result<bool> still_at(const std::string& path) const override {
    Attributes now;
    const int error = disk_.stat(directory_.epoch, path, now);
    if (error == ENOENT) return false;
    FLATKV_TRY(status(error, "stat", path));
    return now.id == directory_.inode->id;
  }

 private:
  Disk& disk_;
  Handle directory_;
};

class SimFileSystem final : public fs::FileSystem {
 public:
  SimFileSystem(Disk& disk, Epoch epoch) : disk_(disk), epoch_(epoch) {}

  Result<std::unique_ptr<fs::AppendFile>> create(const std::string& path) override {
    Handle file;
    FLATKV_TRY(status(disk_.create(epoch_, path, true, file), "create", path));
    return std::make_unique<SimAppendFile>(disk_, std::move(file));
  }
  Result<std::unique_ptr<fs::AppendFile>> open_append(const std::string& path) override {
    Handle file;
    FLATKV_TRY(status(disk_.open(epoch_, path, file), "open for writing", path));
    return std::make_unique<SimAppendFile>(disk_, std::move(file));
  }
  Result<std::unique_ptr<fs::ReadFile>> open_read(const std::string& path) override {
    Handle file;
    FLATKV_TRY(status(disk_.open(epoch_, path, file), "open", path));
    return std::make_unique<SimReadFile>(disk_, std::move(file));
  }

  Status make_directory(const std::string& path) override {
    return status(disk_.make_directory(epoch_, path), "make directory", path);
  }
  Result<std::vector<fs::DirEntry>> list(const std::string& path) override {
    std::vector<std::pair<std::string, bool>> found;
    FLATKV_TRY(status(disk_.list(epoch_, path, found), "list", path));
    std::vector<fs::DirEntry> entries;
    for (auto& [name, directory] : found) {
      entries.push_back(
          {std::move(name), directory ? fs::FileType::directory : fs::FileType::file});
    }
    return entries;
  }
  Result<fs::FileInfo> stat(const std::string& path) override {
    Attributes found;
    FLATKV_TRY(status(disk_.stat(epoch_, path, found), "stat", path));
    return fs::FileInfo{found.directory ? fs::FileType::directory : fs::FileType::file, found.size,
                        1, found.id, found.links};
  }

  Status rename(const std::string& from, const std::string& to) override {
    return status(disk_.rename(epoch_, from, to), "rename", from);
  }
  Status link(const std::string& from, const std::string& to) override {
    const int error = disk_.link(epoch_, from, to);
    if (error == EXDEV || error == EMLINK || error == EPERM || error == EOPNOTSUPP) {
      return fail(ErrorCode::unsupported, "link").path(from);
    }
    return status(error, "link", from);
  }
  Status unlink(const std::string& path) override {
    return status(disk_.unlink(epoch_, path), "remove", path);
  }
  Status remove_directory(const std::string& path) override {
    return status(disk_.remove_directory(epoch_, path), "remove directory", path);
  }
  Status sync_directory(const std::string& path) override {
    Handle directory;
    FLATKV_TRY(status(disk_.open_directory(epoch_, path, directory), "open directory", path));
    return status(disk_.sync_directory(directory), "fsync directory", path);
  }

  Result<std::unique_ptr<fs::DirLock>> lock_directory(const std::string& path) override {
    Handle directory;
    FLATKV_TRY(status(disk_.open_directory(epoch_, path, directory), "open directory", path));
    const int error = disk_.lock(directory);
    if (error == EWOULDBLOCK) return fail(ErrorCode::locked, "locked").path(path);
    FLATKV_TRY(status(error, "lock", path));
    return std::make_unique<SimDirLock>(disk_, std::move(directory));
  }
  Result<bool> is_network(const std::string&) override { return false; }

 private:
  Disk& disk_;
  Epoch epoch_;
};

}  // namespace

std::unique_ptr<fs::FileSystem> make_file_system(Disk& disk, Epoch epoch) {
  return std::make_unique<SimFileSystem>(disk, epoch);
}

}  // namespace flatkv::simdisk

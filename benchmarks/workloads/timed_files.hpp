// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fs/file_system.hpp"

namespace flatkv::bench {

/// What a sync took, in nanoseconds.
struct SyncTime {
  std::uint64_t all = 0;
  std::uint64_t processor = 0;  ///< of that, by the calling thread
};

/// Of the calling thread.
std::uint64_t processor_nanoseconds();

/// The real file system, which counts and times syncs of files and directories. Thread-safe.
class TimedFiles final : public fs::FileSystem {
 public:
  /// Every sync since the last call.
  std::vector<SyncTime> take_syncs();
  /// For the files that it made.
  Status timed_sync(const std::function<Status()>& sync);

  Result<std::unique_ptr<fs::AppendFile>> create(const std::string& path) override;
  Result<std::unique_ptr<fs::AppendFile>> open_append(const std::string& path) override;
  Status sync_directory(const std::string& path) override;

  Result<std::unique_ptr<fs::ReadFile>> open_read(const std::string& path) override {
    return files_.open_read(path);
  }
  Status make_directory(const std::string& path) override { return files_.make_directory(path); }
  Result<std::vector<fs::DirEntry>> list(const std::string& path) override {
    return files_.list(path);
  }
  Result<fs::FileInfo> stat(const std::string& path) override { return files_.stat(path); }
  Status rename(const std::string& from, const std::string& to) override {
    return files_.rename(from, to);
  }
  Status link(const std::string& from, const std::string& to) override {
    return files_.link(from, to);
  }
  Status unlink(const std::string& path) override { return files_.unlink(path); }
  Status remove_directory(const std::string& path) override {
    return files_.remove_directory(path);
  }
  Result<std::unique_ptr<fs::DirLock>> lock_directory(const std::string& path) override {
    return files_.lock_directory(path);
  }
  Result<bool> is_network(const std::string& path) override { return files_.is_network(path); }

 private:
  Result<std::unique_ptr<fs::AppendFile>> timed(Result<std::unique_ptr<fs::AppendFile>> file);

  fs::FileSystem& files_ = fs::posix();
  std::mutex mutex_;
  std::vector<SyncTime> syncs_;
};

}  // namespace flatkv::bench

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fs/file_system.hpp"

// For the tests of this room only.
namespace flatkv::store {

/// The real file system, whose calls a test sees first and can make fail.
class WatchedFiles final : public fs::FileSystem {
 public:
  /// Thread-safe if several threads call.
  std::function<Status(std::string_view call, const std::string& path)> before;

  Result<std::unique_ptr<fs::AppendFile>> create(const std::string& path) override {
    FLATKV_TRY(look("create", path));
    return under_.create(path);
  }
  Result<std::unique_ptr<fs::AppendFile>> open_append(const std::string& path) override {
    FLATKV_TRY(look("open_append", path));
    return under_.open_append(path);
  }
  Result<std::unique_ptr<fs::ReadFile>> open_read(const std::string& path) override {
    FLATKV_TRY(look("open_read", path));
    return under_.open_read(path);
  }
  Status make_directory(const std::string& path) override {
    FLATKV_TRY(look("make_directory", path));
    return under_.make_directory(path);
  }
  Result<std::vector<fs::DirEntry>> list(const std::string& path) override {
    FLATKV_TRY(look("list", path));
    return under_.list(path);
  }
  Result<fs::FileInfo> stat(const std::string& path) override {
    FLATKV_TRY(look("stat", path));
    return under_.stat(path);
  }
  Status rename(const std::string& from, const std::string& to) override {
    FLATKV_TRY(look("rename", to));
    return under_.rename(from, to);
  }
  Status link(const std::string& from, const std::string& to) override {
    FLATKV_TRY(look("link", to));
    return under_.link(from, to);
  }
  Status unlink(const std::string& path) override {
    FLATKV_TRY(look("unlink", path));
    return under_.unlink(path);
  }
  Status remove_directory(const std::string& path) override {
    FLATKV_TRY(look("remove_directory", path));
    return under_.remove_directory(path);
  }
  Status sync_directory(const std::string& path) override {
    FLATKV_TRY(look("sync_directory", path));
    return under_.sync_directory(path);
  }
  Result<std::unique_ptr<fs::DirLock>> lock_directory(const std::string& path) override {
    FLATKV_TRY(look("lock_directory", path));
    return under_.lock_directory(path);
  }
  Result<bool> is_network(const std::string& path) override { return under_.is_network(path); }

 private:
  Status look(std::string_view call, const std::string& path) const {
    return before ? before(call, path) : Status{};
  }
  fs::FileSystem& under_ = fs::posix();
};

}  // namespace flatkv::store

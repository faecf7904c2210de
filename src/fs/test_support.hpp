// SPDX-License-Identifier: Apache-2.0
// For the tests of this room and of those above it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fs/file_system.hpp"

namespace flatkv::fs {

/// Passes everything on to the real file system; `before` may fail an operation by name and path.
class Interposed final : public FileSystem {
 public:
  using Hook = std::function<Status(std::string_view operation, const std::string& path)>;
  explicit Interposed(Hook before) : before_(std::move(before)) {}

  Result<std::unique_ptr<AppendFile>> create(const std::string& path) override {
    FLATKV_TRY(before_("create", path));
    return posix().create(path);
  }
  Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) override {
    return posix().open_append(path);
  }
  Result<std::unique_ptr<ReadFile>> open_read(const std::string& path) override {
    FLATKV_TRY(before_("open_read", path));
    return posix().open_read(path);
  }
  Status make_directory(const std::string& path) override { return posix().make_directory(path); }
  Result<std::vector<DirEntry>> list(const std::string& path) override {
    return posix().list(path);
  }
  Result<FileInfo> stat(const std::string& path) override {
    FLATKV_TRY(before_("stat", path));
    return posix().stat(path);
  }
  Status rename(const std::string& from, const std::string& to) override {
    FLATKV_TRY(before_("rename", from));
    return posix().rename(from, to);
  }
  Status link(const std::string& from, const std::string& to) override {
    FLATKV_TRY(before_("link", from));
    return posix().link(from, to);
  }
  Status unlink(const std::string& path) override {
    FLATKV_TRY(before_("unlink", path));
    return posix().unlink(path);
  }
  Status remove_directory(const std::string& path) override {
    return posix().remove_directory(path);
  }
  Status sync_directory(const std::string& path) override {
    FLATKV_TRY(before_("sync_directory", path));
    return posix().sync_directory(path);
  }
  Result<std::unique_ptr<DirLock>> lock_directory(const std::string& path) override {
    return posix().lock_directory(path);
  }
  Result<bool> is_network(const std::string& path) override { return posix().is_network(path); }

 private:
  Hook before_;
};

}  // namespace flatkv::fs

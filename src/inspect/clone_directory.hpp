// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/error.hpp"
#include "fs/file_system.hpp"

namespace flatkv::inspect {

/// A directory "readonly-<pid>-<random>" of our own, locked so that no writer takes it for an
/// orphan (docs/specification.md#generations). Removed by the destructor unless ownership was
/// passed on.
class CloneDirectory {
 public:
  static Result<CloneDirectory> make(fs::FileSystem& files, const std::string& parent);
  CloneDirectory(CloneDirectory&&) noexcept = default;
  CloneDirectory& operator=(CloneDirectory&&) = delete;
  ~CloneDirectory();

  const std::string& path() const noexcept { return path_; }
  /// The caller removes the directory from now on and holds the lock until it has.
  std::unique_ptr<fs::DirLock> hand_on() && { return std::move(lock_); }

 private:
  CloneDirectory(fs::FileSystem& files, std::string path, std::unique_ptr<fs::DirLock> lock)
      : files_(&files), path_(std::move(path)), lock_(std::move(lock)) {}

  fs::FileSystem* files_;
  std::string path_;
  std::unique_ptr<fs::DirLock> lock_;
};

}  // namespace flatkv::inspect

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/error.hpp"
#include "fs/file_system.hpp"

namespace flatkv::inspect {

/// A directory "readonly-<pid>-<random>" of this process, locked so that no writer takes it for an
/// orphan (docs/specification.md#generations). The destructor removes it unless `hand_on` was
/// called.
class CloneDirectory {
 public:
  static Result<CloneDirectory> make(fs::FileSystem& files, const std::string& parent);
  CloneDirectory(CloneDirectory&&) noexcept = default;
  CloneDirectory& operator=(CloneDirectory&&) = delete;
  ~CloneDirectory();

  const std::string& path() const noexcept { return path_; }
  /// Passes ownership on: the caller removes the directory and holds the lock until then.
  std::unique_ptr<fs::DirLock> hand_on() && { return std::move(lock_); }

 private:
  CloneDirectory(fs::FileSystem& files, std::string path, std::unique_ptr<fs::DirLock> lock)
      : files_(&files), path_(std::move(path)), lock_(std::move(lock)) {}

  fs::FileSystem* files_;
  std::string path_;
  std::unique_ptr<fs::DirLock> lock_;
};

}  // namespace flatkv::inspect

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <mutex>
#include <set>

#include "fs/file_system.hpp"
#include "objects/objects.hpp"

namespace flatkv::objects {

/// Objects as files below a directory, which is made when the first is put; a slash in a name
/// stands for a directory. An object appears by a rename; once `put` returns, it and the
/// directories down to it outlast a power cut. Several may put the same one at once.
class FileObjects : public Objects {
 public:
  FileObjects(fs::FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}

  Status put(const std::string& name, ByteView content) override;
  Result<Bytes> get(const std::string& name, std::uint64_t bytes) override;
  Result<std::uint64_t> size(const std::string& name) override;
  Result<std::vector<ObjectInfo>> list(const std::string& prefix) override;
  Status remove(const std::string& name) override;
  Status settle(const std::string& name) override;
  std::uint64_t bytes_received() const noexcept override { return received_; }

 private:
  std::string path_of(const std::string& name) const;
  /// Makes a directory and those above it that are missing. Down from directory_, it syncs the
  /// entries of those that are there, too, once in this object's life.
  Status keep_directory(const std::string& path);
  Status list_below(const std::string& directory, const std::string& prefix,
                    std::vector<ObjectInfo>& all);
  Status remove_unfinished(const std::string& directory);

  fs::FileSystem& files_;
  std::string directory_;
  std::atomic<std::uint64_t> received_{0};
  std::mutex mutex_;
  std::set<std::string> kept_;  ///< directories whose entries were synced; under mutex_
};

}  // namespace flatkv::objects

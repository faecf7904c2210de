// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/error.hpp"

namespace flatkv::bench {

/// A control group with a memory limit, below the one that this process was in, for this process
/// and those that it starts. What it reads from files counts, too, so a state that is larger has to
/// come from the device. A killed process leaves the empty group behind.
class MemoryGroup {
 public:
  /// Makes the group and enters it. `permission`, `unsupported`, ... where that may not be; then
  /// nothing has changed. Call it before anything asks for `machine()`.
  static Result<MemoryGroup> enter(std::uint64_t bytes);
  ~MemoryGroup();  ///< goes back, and removes the group
  MemoryGroup(MemoryGroup&& other) noexcept;
  MemoryGroup& operator=(MemoryGroup&&) = delete;

  const std::string& path() const noexcept { return path_; }

  /// Without a limit until `restore`, which makes the system take back what is above it.
  Status lift() const;
  /// `io` where so much is in use that cannot be taken back.
  Status restore() const;

 private:
  MemoryGroup(std::string path, std::string limit, std::uint64_t bytes)
      : path_(std::move(path)), limit_(std::move(limit)), bytes_(bytes) {}
  std::string path_;   ///< empty: moved from
  std::string limit_;  ///< the file that takes it
  std::uint64_t bytes_;
};

}  // namespace flatkv::bench

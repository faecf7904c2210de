// SPDX-License-Identifier: Apache-2.0
#include "fs/space.hpp"

#include <sys/statvfs.h>

#include "fs/files.hpp"

namespace flatkv::fs {

Status needing(std::uint64_t bytes, Status status) {
  if (status || status.error().code != ErrorCode::no_space) return status;
  Error& error = status.error();
  error.message += "; " + std::to_string(bytes) + " bytes are needed";
  struct statvfs info{};
  // The directory: the file may be gone again.
  if (::statvfs(parent(error.path).c_str(), &info) == 0) {
    const std::uint64_t free = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
    error.message += ", " + std::to_string(free) + " are free";
  }
  return status;
}

}  // namespace flatkv::fs

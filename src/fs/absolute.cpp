// SPDX-License-Identifier: Apache-2.0
#include "fs/absolute.hpp"

#include <filesystem>

#include "fs/files.hpp"

namespace flatkv::fs {

Result<std::string> absolute(const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  std::error_code error;
  const std::filesystem::path here = std::filesystem::current_path(error);
  if (error) return fail_errno(error.value(), "find the current directory for", path);
  return join(here.string(), path);
}

}  // namespace flatkv::fs

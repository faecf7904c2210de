// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"

#include <array>
#include <cerrno>
#include <system_error>

namespace flatkv {

std::string_view to_string(ErrorCode code) noexcept {
  static constexpr std::array<std::string_view, 18> kNames = {
      "invalid_argument",  "not_found",      "locked",
      "corruption",        "log_gap",        "log_behind",
      "version_mismatch",  "format_too_new", "foreign_store",
      "import_incomplete", "store_failed",   "io",
      "no_space",          "permission",     "cancelled",
      "unsupported",       "out_of_memory",  "stale"};
  return kNames[static_cast<std::size_t>(code)];
}

std::string Error::to_string() const {
  std::string text{flatkv::to_string(code)};
  text += ": ";
  text += message;
  if (!path.empty()) text += " [path " + path + "]";
  if (database) text += " [database " + std::string(flatkv::to_string(*database)) + "]";
  if (version) text += " [version " + std::to_string(*version) + "]";
  if (offset) text += " [offset " + std::to_string(*offset) + "]";
  return text;
}

Failure fail_errno(int error_number, std::string doing, std::string path) {
  ErrorCode code = ErrorCode::io;
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      code = ErrorCode::no_space;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = ErrorCode::permission;
      break;
    case ENOENT:
      code = ErrorCode::not_found;
      break;
    default:
      break;
  }
  return fail(code, std::move(doing) + ": " + std::generic_category().message(error_number))
      .path(std::move(path));
}

}  // namespace flatkv

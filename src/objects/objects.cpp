// SPDX-License-Identifier: Apache-2.0
#include "objects/objects.hpp"

#include <algorithm>
#include <cstdlib>

#include "fs/absolute.hpp"
#include "objects/file_objects.hpp"
#include "objects/http_objects.hpp"

namespace flatkv::objects {

Result<std::unique_ptr<Objects>> Objects::open(const Location& location,
                                               const ObjectsOptions& given) {
  ObjectsOptions options = given;
  options.stall_seconds = std::max(options.stall_seconds, 1U);
  options.tries = std::max(options.tries, 1U);
  std::unique_ptr<Objects> objects;
  switch (location.scheme) {
    case Scheme::s3: {
      const auto environment = [](const char* name) {
        const char* const value = std::getenv(name);
        return std::string(value == nullptr ? "" : value);
      };
      FLATKV_ASSIGN(const S3Account account, find_s3_account(fs::posix(), environment));
      objects = std::make_unique<S3Objects>(location, account, options);
      break;
    }
    case Scheme::file: {
      FLATKV_ASSIGN(std::string directory, fs::absolute(location.path));
      objects = std::make_unique<FileObjects>(fs::posix(), std::move(directory));
      break;
    }
    case Scheme::http:
      objects = std::make_unique<HttpObjects>(location.path, options);
      break;
  }
  return objects;
}

Status Objects::settle(const std::string& /*name*/) { return {}; }

Result<Bytes> Objects::read(const std::string& name, std::uint64_t limit) {
  FLATKV_ASSIGN(const std::uint64_t bytes, size(name));
  if (bytes > limit) {
    return fail(ErrorCode::corruption, name + " has " + std::to_string(bytes) +
                                           " bytes, more than the " + std::to_string(limit) +
                                           " that it may have");
  }
  return get(name, bytes);
}

}  // namespace flatkv::objects

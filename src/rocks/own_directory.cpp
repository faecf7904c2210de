// SPDX-License-Identifier: Apache-2.0
#include "rocks/own_directory.hpp"

#include <sys/stat.h>

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace flatkv::rocks {
namespace {

using Identity = std::pair<::dev_t, ::ino_t>;

std::optional<Identity> identity_of(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return Identity(info.st_dev, info.st_ino);
}

struct Owned {
  std::mutex mutex;
  std::map<std::string, Identity, std::less<>> directories;
};

Owned& owned() {
  // Never destroyed: RocksDB's threads may outlive static objects.
  static auto& made = *new Owned;
  return made;
}

}  // namespace

OwnDirectory::OwnDirectory(std::string path) : path_(std::move(path)) {
  const std::optional<Identity> identity = identity_of(path_);
  const std::lock_guard lock(owned().mutex);
  if (identity) owned().directories.insert_or_assign(path_, *identity);
}

OwnDirectory::~OwnDirectory() {
  const std::lock_guard lock(owned().mutex);
  owned().directories.erase(path_);
}

bool OwnDirectory::is_replaced(std::string_view directory) {
  // Held while it looks, so that no memory is needed: RocksDB ends the process over an exception.
  const std::lock_guard lock(owned().mutex);
  const auto found = owned().directories.find(directory);
  return found != owned().directories.end() && identity_of(found->first) != found->second;
}

bool OwnDirectory::is_others(std::string_view file) {
  return is_replaced(file.substr(0, file.rfind('/')));
}

}  // namespace flatkv::rocks

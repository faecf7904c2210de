// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace flatkv::rocks {

/// The directory of an open database, which RocksDB knows by its path alone: it would go on in one
/// that took its place, and when it closes it deletes every file there that it does not know
/// (docs/hazards.md#replaced-directory). While this lives, `is_replaced` finds that out. An open
/// database holds its directory open, so that no other one gets its inode.
class OwnDirectory {
 public:
  /// Of a directory that cannot be looked at, nothing is found out.
  explicit OwnDirectory(std::string path);
  ~OwnDirectory();
  OwnDirectory(const OwnDirectory&) = delete;
  OwnDirectory& operator=(const OwnDirectory&) = delete;

  /// Whether a directory that somebody owns, or the one of a file, is not where it was, or another
  /// one is. Any thread.
  static bool is_replaced(std::string_view directory);
  static bool is_others(std::string_view file);

 private:
  std::string path_;
};

}  // namespace flatkv::rocks

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "outcome.hpp"

namespace flatkv::cli {

/// Where a benchmark puts its stores. Made by us and marked as such, so that nothing else is ever
/// written to or removed: a directory that is there must be empty or carry the mark of an earlier
/// run, which is then emptied.
class BenchDirectory {
 public:
  /// With an empty path one in the directory for temporary files.
  static Outcome<BenchDirectory> make(const std::string& path, bool keep);
  ~BenchDirectory();  ///< removes it with all that is in it, unless it is kept
  BenchDirectory(BenchDirectory&& other) noexcept;
  BenchDirectory& operator=(BenchDirectory&&) = delete;

  const std::string& path() const noexcept { return path_; }

 private:
  BenchDirectory(std::string path, bool keep) : path_(std::move(path)), keep_(keep) {}
  std::string path_;
  bool keep_;
};

}  // namespace flatkv::cli

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "changelog/reader.hpp"
#include "flatkv/store.hpp"
#include "fs/file_system.hpp"

namespace flatkv::store {

/// Finds records by version in a log that this process writes. In ascending order of versions each
/// costs one header read. One thread.
class LogLookup {
 public:
  LogLookup(fs::FileSystem& files, std::string directory, changelog::StoreId store)
      : files_(files), directory_(std::move(directory)), store_(store) {}

  /// Nothing if the log does not hold that version.
  Result<std::optional<LogRecord>> find(std::int64_t version);

 private:
  Result<std::optional<LogRecord>> look(std::int64_t version);

  fs::FileSystem& files_;
  std::string directory_;
  changelog::StoreId store_;
  std::optional<changelog::LogWalk> survey_;
  std::optional<changelog::Reader> reader_;
  std::int64_t next_ = 0;  ///< version that the reader returns next
};

}  // namespace flatkv::store

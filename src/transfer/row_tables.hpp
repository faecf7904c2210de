// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flatkv/error.hpp"
#include "rocks/table_writer.hpp"

namespace flatkv::transfer {

/// Writes the rows of one database into tables that are ingested together. Starts a new table at
/// the usual size, so that compaction has files to work with. One thread.
class RowTables {
 public:
  /// Makes its files in `directory`, which must exist.
  RowTables(rocks::DbOptions options, std::string directory)
      : options_(std::move(options)), directory_(std::move(directory)) {}

  /// Keys must ascend.
  Status put(ByteView key, ByteView value);
  /// Finishes the last table; returns the paths of all in key order, none if there were no rows.
  Result<std::vector<std::string>> finish();

 private:
  Status close_current();

  rocks::DbOptions options_;
  std::string directory_;
  std::vector<std::string> finished_;
  std::optional<rocks::TableWriter> current_;
  std::string current_path_;
};

}  // namespace flatkv::transfer

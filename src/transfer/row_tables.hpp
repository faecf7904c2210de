#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/table_writer.hpp"
#include "flatkv/error.hpp"

namespace flatkv::transfer {

/// Writes the rows of one database into table files that are to be ingested together, the next one
/// begun where one has the usual size, so that compaction has files to work with. One thread.
class RowTables {
 public:
  /// The files are made in `directory`, which must be there.
  RowTables(engine::DbOptions options, std::string directory)
      : options_(std::move(options)), directory_(std::move(directory)) {}

  /// Keys ascending.
  Status put(ByteView key, ByteView value);
  /// Closes the last one. Paths of all, in key order; none without rows.
  Result<std::vector<std::string>> finish();

 private:
  Status close_current();

  engine::DbOptions options_;
  std::string directory_;
  std::vector<std::string> finished_;
  std::optional<engine::TableWriter> current_;
  std::string current_path_;
};

}  // namespace flatkv::transfer

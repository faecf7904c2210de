// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "fs/file_system.hpp"
#include "parts/part_codec.hpp"
#include "rocks/db_options.hpp"

namespace flatkv::parts {

/// The tables of parts that an import has proved, in a directory that no opening of the store
/// removes: one that is interrupted goes on with them (docs/recovery.md#import-from-parts). Any
/// thread, each with a part of its own.
class PartTables {
 public:
  /// Makes the directory, and removes from it what is of no part of the manifest.
  static Result<PartTables> begin(fs::FileSystem& files, std::string directory,
                                  const StoredManifest& manifest);

  std::string path_of(const Part& part) const;
  /// Whether the table of a part is there and its rows are the part's, which is proved anew. One
  /// that is anything else is removed. `cancelled` if a stop is requested.
  Result<bool> has(const rocks::DbOptions& options, const Part& part,
                   const std::stop_token& stop) const;
  /// Checks the object of a part and makes its table. Adds the nanoseconds that writing took.
  Status write(const rocks::DbOptions& options, const PartContext& context, const Part& part,
               ByteView object, const std::stop_token& stop, std::uint64_t& nanoseconds) const;
  /// Removes the directory.
  Status remove() const;

 private:
  PartTables(fs::FileSystem& files, std::string directory)
      : files_(&files), directory_(std::move(directory)) {}

  fs::FileSystem* files_;
  std::string directory_;
};

}  // namespace flatkv::parts

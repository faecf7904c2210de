// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "changelog/reader.hpp"
#include "changelog/segment_file.hpp"
#include "fs/files.hpp"

namespace flatkv::changelog {

/// Reads what a writer, in this or another process, appends after a known end of a log. Checks
/// every record with its payload, since it may be seen half-written. Not thread-safe.
class LogFollower {
 public:
  /// Starts at `tip`, which a log walk found.
  LogFollower(fs::FileSystem& files, std::string directory, const StoreId& store, const Tip& tip,
              bool with_payloads);

  /// The next record; nullopt while there is no whole one, or it is being undone. Errors:
  /// `not_found` (the segment is gone: pruned, or the whole log was replaced), `version_mismatch`
  /// (the log became shorter or continues with another block), `corruption` (a bad segment header),
  /// `io`.
  Result<std::optional<Record>> next();

  const Chain& chain() const noexcept { return chain_; }
  /// The segment that is being read, and where its next record begins or would begin.
  std::string path() const { return fs::join(directory_, segment_); }
  std::uint64_t offset() const noexcept { return offset_; }
  /// Whether the last `next` that returned nullopt saw bytes that do not count: a record being
  /// written, a bad one, or one being undone. Only a log walk can tell which.
  bool is_unclear() const noexcept { return unclear_; }

 private:
  Result<std::optional<Record>> look_for_next();
  Status reopen();
  /// Moves to the next segment if the writer has started it.
  Result<bool> next_segment();
  Result<std::optional<Record>> record_here();
  Failure gone_back(std::string message) const;

  fs::FileSystem& files_;
  std::string directory_;
  StoreId store_;
  bool with_payloads_;
  std::string segment_;
  std::uint64_t offset_ = 0;
  Chain chain_;
  std::optional<SegmentFile> file_;  ///< its size is that at opening
  bool unclear_ = false;
};

}  // namespace flatkv::changelog

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "codec/change_log_entry.hpp"
#include "flatkv/tools/transfer.hpp"
#include "fs/file_system.hpp"

namespace flatkv::transfer {

/// An entry of the reference's log, and the change sets to keep of it.
struct ReferenceEntry {
  std::int64_t version = 0;
  Bytes bytes;  ///< what the views point into
  std::vector<std::vector<KVPair>> pairs;
  std::vector<NamedChangeSet> change_sets;  ///< over `pairs`
  std::uint64_t skipped_sets = 0;
  std::uint64_t skipped_pairs = 0;
  bool has_balances = false;
};

/// Reads the reference's log in order. Memory: one entry. One thread.
class ReferenceLog {
 public:
  static Result<ReferenceLog> open(fs::FileSystem& files, const std::string& directory);

  /// nullopt at the end; an unfinished last entry of the last segment counts as the end (see
  /// `torn`).
  Result<std::optional<ReferenceEntry>> next();
  const std::optional<std::string>& torn() const noexcept { return torn_; }

 private:
  struct Segment {
    std::string path;
    std::int64_t first = 0;
  };
  ReferenceLog(fs::FileSystem& files, std::vector<Segment> segments)
      : files_(&files), segments_(std::move(segments)) {}

  bool in_last_segment() const { return segment_ == segments_.size(); }
  Status open_segment();
  /// Reads as many bytes as there are, up to the size of `into`.
  Result<std::size_t> read(std::span<std::uint8_t> into);
  /// Length of the next entry; nullopt at the end of the segment. Sets `cut` if it ends inside one.
  Result<std::optional<std::uint64_t>> read_length(bool& cut);
  Result<std::optional<Bytes>> read_entry();
  Result<std::optional<Bytes>> unfinished(std::uint64_t offset);
  Result<bool> rest_is_zeros();

  fs::FileSystem* files_;
  std::vector<Segment> segments_;
  std::size_t segment_ = 0;  ///< number of segments opened
  std::unique_ptr<ByteSource> source_;
  std::uint64_t offset_ = 0;
  std::int64_t next_version_ = 1;
  std::optional<std::string> torn_;
};

}  // namespace flatkv::transfer

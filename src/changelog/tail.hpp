// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "changelog/reader.hpp"
#include "changelog/segment_file.hpp"

namespace flatkv::changelog {

/// Reads what a writer, in this or another process, appends behind a known end of a log. Every
/// record is checked with its payload, since one may be seen while it is being written. One thread.
class Tail {
 public:
  /// Stands at `tip`, which a survey found.
  Tail(fs::FileSystem& files, std::string directory, const StoreId& store, const Tip& tip,
       bool with_payloads);

  /// The next record; nothing while there is none that is whole. Errors: `not_found` (the segment
  /// is gone: pruned, or the whole log was replaced), `version_mismatch` (the log became shorter or
  /// continues with another block), `corruption` (a segment header), io.
  Result<std::optional<Record>> next();

  const Chain& chain() const noexcept { return chain_; }
  /// Whether the last `next` that gave nothing saw bytes that are no whole record: one that is
  /// being written, or a bad one. Only a survey can tell.
  bool is_unclear() const noexcept { return unclear_; }

 private:
  Status reopen();
  /// Moves to the next segment if the writer has begun it.
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
  std::optional<SegmentFile> file_;  ///< as long as it was when it was opened
  bool unclear_ = false;
};

}  // namespace flatkv::changelog

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "changelog/log_walk.hpp"

namespace flatkv::changelog {

/// The file CLEAN of a generation: written by a close whose every step succeeded
/// (docs/specification.md#clean-marker).
struct CleanMark {
  std::int64_t version = 0;
  Digest digest{};          ///< chain digest of version
  std::string segment;      ///< name of the last segment
  std::uint64_t bytes = 0;  ///< length of that segment
  Roots roots;              ///< of version, so that a clean open need not read the log
  StoreId store{};  ///< the store's id: segments of replicas of one chain agree in name and length
  /// How many of the last blocks are in the log alone: all databases are at `version` less that.
  std::int64_t unflushed = 0;

  std::int64_t flushed() const noexcept { return version - unflushed; }
};

/// Text with its own digest line; docs/formats.md specifies it.
Bytes encode(const CleanMark& mark);
Result<CleanMark> decode_clean_mark(ByteView bytes);

/// nullopt if there is none, or if it is not valid and so proves nothing.
Result<std::optional<CleanMark>> read_clean(fs::FileSystem& files, const std::string& generation);
Status write_clean(fs::FileSystem& files, const std::string& generation, const CleanMark& mark);
/// Durable on return: syncs the generation's directory. OK if there is none.
Status remove_clean(fs::FileSystem& files, const std::string& generation);

}  // namespace flatkv::changelog

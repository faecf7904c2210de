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
  std::string segment;      ///< last segment's name
  std::uint64_t bytes = 0;  ///< and its length
  Roots roots;              ///< of version, so that a clean open reads nothing of the log
  StoreId store{};  ///< whose it is: replicas of one chain have segments alike in name and length
};

/// Text with a digest line of its own; specified in docs/formats.md.
Bytes encode(const CleanMark& mark);
Result<CleanMark> decode_clean_mark(ByteView bytes);

/// nothing if there is none or if it is not valid (then it is worth nothing).
Result<std::optional<CleanMark>> read_clean(fs::FileSystem& files, const std::string& generation);
Status write_clean(fs::FileSystem& files, const std::string& generation, const CleanMark& mark);
/// Durable: the generation's directory is synced. Nothing there is no error.
Status remove_clean(fs::FileSystem& files, const std::string& generation);

}  // namespace flatkv::changelog

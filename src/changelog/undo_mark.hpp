// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "changelog/log_walk.hpp"

namespace flatkv::changelog {

inline constexpr std::string_view kUndoFile = "UNDO";

/// The file UNDO of a log: blocks are being undone. From the moment it has its name the log ends
/// with `version`, whatever records still stand above it (docs/recovery.md#undoing-blocks).
struct UndoMark {
  StoreId store{};
  std::int64_t version = 0;  ///< of the last block that stays
  Digest digest{};           ///< its chain digest
  Digest next{};             ///< chain digest of the block after it, which is undone
  std::int64_t tip = 0;      ///< of the last block undone
  Digest tip_digest{};
};

/// Text with its own digest line; docs/formats.md specifies it.
Bytes encode(const UndoMark& mark);
Result<UndoMark> decode_undo_mark(ByteView bytes);

/// nullopt if there is none. `corruption` if it is not valid, since nobody knows then where the log
/// ends; `foreign_store`.
Result<std::optional<UndoMark>> read_undo(fs::FileSystem& files, const std::string& directory,
                                          const StoreId& store);
/// The commit point of an undo: after an error nobody knows whether it is on disk. The whole log
/// must be durable, and CLEAN gone.
Status write_undo(fs::FileSystem& files, const std::string& directory, const UndoMark& mark);
/// Removes what stands above the marked version: the segments, newest first, and the end of the one
/// that holds it, whose first `tip.end_offset` bytes stay. Interrupted anywhere, it leaves a prefix
/// of the old log that holds them; `reseal` finishes it.
Status cut_undone(fs::FileSystem& files, const std::string& directory, const Tip& tip);
/// Durable on return: the last step of an undo. OK if there is none.
Status remove_undo(fs::FileSystem& files, const std::string& directory);

}  // namespace flatkv::changelog

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>

#include "flatkv/lthash.hpp"
#include "flatkv/scrub.hpp"
#include "fs/file_system.hpp"

namespace flatkv::layout {

inline constexpr std::string_view kScrubFile = "SCRUB";
/// Bytes: a key of 64 KiB and a hash, both in hex, and the rest.
inline constexpr std::size_t kMaxScrubBytes = 256U << 10;

/// SCRUB of a generation: how far a scrub has come (docs/formats.md#store-directory). Only
/// progress: losing it costs work, nothing else.
struct ScrubMark {
  std::string generation;  ///< name of the generation; the file is useless in another
  Digest chain{};          ///< chain digest of progress.version
  ScrubProgress progress;  ///< its row count is that of `stats`
  Bytes before;            ///< the sum covers the rows below this key; empty: none yet
  LtHash hash;             ///< the sum of these rows' elements
  DatabaseStats stats;     ///< of these rows
};

Bytes encode(const ScrubMark& mark);
/// `corruption`, or `format_too_new`.
Result<ScrubMark> decode_scrub_mark(ByteView bytes);

/// nullopt if there is none. Errors: those of decode_scrub_mark; `corruption` if it is not a
/// regular file.
Result<std::optional<ScrubMark>> read_scrub_mark(fs::FileSystem& files,
                                                 const std::string& generation);
/// Replaces the file; durable on return.
Status write_scrub_mark(fs::FileSystem& files, const std::string& generation,
                        const ScrubMark& mark);

}  // namespace flatkv::layout

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>

#include "codec/local_meta.hpp"
#include "flatkv/lthash.hpp"
#include "flatkv/scrub.hpp"
#include "fs/file_system.hpp"

namespace flatkv::layout {

inline constexpr std::string_view kScrubFile = "SCRUB";
/// A key of 64 KiB and a hash, both as hex, and the rest.
inline constexpr std::size_t kMaxScrubBytes = 256U << 10;

/// SCRUB of a generation: how far a scrub has come (docs/formats.md#store-directory). It only
/// records progress: a lost or damaged one costs work and nothing else.
struct ScrubMark {
  std::string generation;  ///< a copy of the file is worth nothing elsewhere
  Digest chain{};          ///< chain digest of progress.version
  ScrubProgress progress;  ///< its rows are those of `stats`
  Bytes before;            ///< rows below this key are in the sum; empty: none yet
  LtHash hash;             ///< the sum of these rows' elements
  codec::Stats stats;      ///< and their counts; its version is not kept
};

Bytes encode(const ScrubMark& mark);
/// `corruption`, or `format_too_new`.
Result<ScrubMark> decode_scrub_mark(ByteView bytes);

/// Nothing if there is none; otherwise as decode_scrub_mark, and `corruption` for what is no file.
Result<std::optional<ScrubMark>> read_scrub_mark(fs::FileSystem& files,
                                                 const std::string& generation);
/// Replaces the file; durable on return.
Status write_scrub_mark(fs::FileSystem& files, const std::string& generation,
                        const ScrubMark& mark);

}  // namespace flatkv::layout

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "base/error.hpp"
#include "flatkv/lthash.hpp"
#include "flatkv/tools/transfer.hpp"

// The bytes of an exported state (docs/formats.md): header, chunks, footer, each ending with a
// digest that covers the one before it. Pure functions, no I/O. All integers are little-endian.
namespace flatkv::transfer {

inline constexpr std::uint32_t kStreamFormat = 1;

struct StreamHeader {
  StreamSummary summary;
  PerDataDatabase<LtHash> hashes;
};
inline constexpr std::size_t kHeaderBytes =
    8 + 4 + 4 + 8 + 4 + 4 + 5 * 32 + 4 * 3 * 8 + 4 * LtHash::kBytes + 32;

using HeaderBytes = std::array<std::uint8_t, kHeaderBytes>;
/// The last 32 bytes are the header's digest, which starts the chain.
HeaderBytes encode(const StreamHeader& header);
/// `corruption`, or `format_too_new` for a valid header of a newer format.
Result<StreamHeader> decode_header(std::span<const std::uint8_t, kHeaderBytes> bytes);

/// A chunk holds rows of one database. A row that would make its payload larger than this starts a
/// new chunk; a row that is larger by itself has a chunk of its own.
inline constexpr std::uint32_t kChunkBytes = 1U << 20;
/// One row with the largest key and value.
inline constexpr std::uint32_t kMaxChunkBytes = (64U << 10) + (64U << 20) + 8;

struct ChunkHeader {
  Database database = Database::account;
  std::uint32_t rows = 0;
  std::uint32_t payload_bytes = 0;
  std::uint64_t index = 0;  ///< 0, 1, 2, … over the whole stream
};
inline constexpr std::size_t kFrameBytes =
    24;  ///< a chunk's header, and the footer before its digest
using FrameBytes = std::array<std::uint8_t, kFrameBytes>;

FrameBytes encode(const ChunkHeader& header);

struct Footer {
  std::uint64_t chunks = 0;
  std::uint64_t rows = 0;
};
FrameBytes encode(const Footer& footer);

/// A frame of the stream: a chunk or the footer.
struct Frame {
  bool is_footer = false;
  ChunkHeader chunk;
  Footer footer;
};
Result<Frame> decode_frame(std::span<const std::uint8_t, kFrameBytes> bytes);

/// The digest of a frame covers the digest before it, its header and its payload.
Digest frame_digest(const Digest& previous, const FrameBytes& header, ByteView payload);

}  // namespace flatkv::transfer

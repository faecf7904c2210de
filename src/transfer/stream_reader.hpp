// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "transfer/row_rules.hpp"
#include "transfer/stream_format.hpp"

namespace flatkv::transfer {

/// The rows of one chunk, and the bytes that they point into.
struct Chunk {
  Bytes payload;
  std::vector<ImportRow> rows;
};

/// Reads a stream from an untrusted source and checks everything that can be checked on the way:
/// digests, indices, lengths, order, the form of every row, and at the end the counts and that no
/// bytes follow. The caller hashes the rows. Memory: one chunk.
class StreamReader {
 public:
  static Result<StreamReader> open(ByteSource& source);

  const StreamHeader& header() const noexcept { return header_; }

  /// The next chunk; one without rows once the footer has been verified.
  Result<Chunk> next();

 private:
  explicit StreamReader(ByteSource& source) : source_(&source) {}
  /// Fills all of `into`, or fails where the stream ended.
  Status read_exactly(std::span<std::uint8_t> into);
  Status read_footer(const FrameBytes& bytes, const Footer& footer);
  Status read_payload(std::uint32_t bytes, Bytes& payload);
  Status split_rows(const ChunkHeader& header, Chunk& chunk);
  Failure bad(std::string message) const;

  ByteSource* source_;
  StreamHeader header_;
  Digest previous_{};
  std::uint64_t offset_ = 0;
  std::uint64_t chunks_ = 0;
  std::uint64_t rows_read_ = 0;
  bool done_ = false;
  std::optional<RowRules> rules_;
};

}  // namespace flatkv::transfer

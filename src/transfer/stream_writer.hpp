// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transfer/stream_format.hpp"

namespace flatkv::transfer {

/// Writes a stream: header, rows in stream order, footer. Memory: one chunk.
class StreamWriter {
 public:
  explicit StreamWriter(ByteSink& sink) : sink_(sink) {}

  Status begin(const StreamHeader& header);
  Status row(Database database, ByteView key, ByteView value);
  /// Writes the footer, without which no reader accepts the stream.
  Status finish();

 private:
  Status close_chunk();

  ByteSink& sink_;
  Digest previous_{};
  ChunkHeader chunk_;
  Bytes payload_;
  std::uint64_t rows_ = 0;
};

}  // namespace flatkv::transfer

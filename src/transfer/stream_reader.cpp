// SPDX-License-Identifier: Apache-2.0
#include "transfer/stream_reader.hpp"

#include <algorithm>

#include "base/endian.hpp"

namespace flatkv::transfer {

Failure StreamReader::bad(std::string message) const {
  Failure failure = fail(ErrorCode::corruption, "stream: " + std::move(message)).offset(offset_);
  if (!rules_) return failure;  // nor is the header there, which says the version
  return std::move(failure).version(header_.summary.version);
}

Result<StreamReader> StreamReader::open(ByteSource& source) {
  StreamReader reader(source);
  HeaderBytes bytes{};
  FLATKV_TRY(reader.read_exactly(bytes));
  FLATKV_ASSIGN(reader.header_, decode_header(bytes));
  std::ranges::copy(ByteView(bytes).last(reader.previous_.size()), reader.previous_.begin());
  reader.rules_.emplace(reader.header_.summary.account_rows);
  return reader;
}

Status StreamReader::read_exactly(std::span<std::uint8_t> into) {
  while (!into.empty()) {
    FLATKV_ASSIGN(const std::size_t got, source_->read(into));
    if (got == 0) return bad("it ends before its footer");
    offset_ += got;
    into = into.subspan(got);
  }
  return {};
}

Result<Chunk> StreamReader::next() {
  Chunk chunk;
  if (done_) return chunk;
  FrameBytes bytes{};
  const std::uint64_t begin = offset_;
  FLATKV_TRY(read_exactly(bytes));
  const auto frame = decode_frame(bytes);
  if (!frame) {
    offset_ = begin;
    return bad(frame.error().message);
  }
  if (frame->is_footer) {
    FLATKV_TRY(read_footer(bytes, frame->footer));
    return chunk;
  }
  if (frame->chunk.index != chunks_ || frame->chunk.rows == 0) {
    return bad("chunk " + std::to_string(chunks_) + " was expected");
  }
  FLATKV_TRY(read_payload(frame->chunk.payload_bytes, chunk.payload));
  Digest digest{};
  FLATKV_TRY(read_exactly(digest));
  previous_ = frame_digest(previous_, bytes, chunk.payload);
  if (digest != previous_) {
    return bad("the digest of chunk " + std::to_string(chunks_) + " does not match");
  }
  ++chunks_;
  FLATKV_TRY(split_rows(frame->chunk, chunk));
  return chunk;
}

/// In steps, so that a false length costs no more memory than the bytes that are there.
Status StreamReader::read_payload(std::uint32_t bytes, Bytes& payload) {
  while (payload.size() < bytes) {
    const std::size_t at = payload.size();
    payload.resize(std::min<std::size_t>(bytes, at + kChunkBytes));
    FLATKV_TRY(read_exactly(std::span(payload).subspan(at)));
  }
  return {};
}

Status StreamReader::split_rows(const ChunkHeader& header, Chunk& chunk) {
  ByteView rest = chunk.payload;
  const auto take = [&](ByteView& part) {
    if (rest.size() < 4) return false;
    const auto size = load_le<std::uint32_t>(rest.data());
    rest = rest.subspan(4);
    if (rest.size() < size) return false;
    part = rest.first(size);
    rest = rest.subspan(size);
    return true;
  };
  for (std::uint32_t i = 0; i < header.rows; ++i) {
    ImportRow row;
    row.database = header.database;
    if (!take(row.key) || !take(row.value)) return bad("a row is longer than its chunk");
    if (Status good = rules_->check(row); !good) {
      Error error = std::move(good).error();
      error.offset = offset_;
      return std::unexpected(std::move(error));
    }
    chunk.rows.push_back(row);
  }
  if (!rest.empty()) return bad("a chunk holds more than its rows");
  rows_read_ += header.rows;
  return {};
}

Status StreamReader::read_footer(const FrameBytes& bytes, const Footer& footer) {
  Digest digest{};
  FLATKV_TRY(read_exactly(digest));
  if (digest != frame_digest(previous_, bytes, {}))
    return bad("the footer's digest does not match");
  if (footer.chunks != chunks_ || footer.rows != rows_read_) {
    return bad("the footer counts " + std::to_string(footer.rows) + " rows, there are " +
               std::to_string(rows_read_));
  }
  if (rules_->counted() != header_.summary.stats) {
    return bad("the number or size of the rows is not what the header says");
  }
  std::array<std::uint8_t, 1> more{};
  FLATKV_ASSIGN(const std::size_t got, source_->read(more));
  if (got != 0) return bad("bytes follow the footer");
  done_ = true;
  return {};
}

}  // namespace flatkv::transfer

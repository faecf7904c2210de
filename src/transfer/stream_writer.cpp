// SPDX-License-Identifier: Apache-2.0
#include "transfer/stream_writer.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "base/reuse.hpp"

namespace flatkv::transfer {
namespace {

void append_sized(Bytes& to, ByteView bytes) {
  std::array<std::uint8_t, 4> size{};
  store_le(size.data(), static_cast<std::uint32_t>(bytes.size()));
  append(to, size);
  append(to, bytes);
}

}  // namespace

Status StreamWriter::begin(const StreamHeader& header) {
  const HeaderBytes bytes = encode(header);
  std::ranges::copy(ByteView(bytes).last(previous_.size()), previous_.begin());
  payload_.reserve(kChunkBytes);
  return sink_.write(bytes);
}

Status StreamWriter::row(Database database, ByteView key, ByteView value) {
  const std::size_t more = 8 + key.size() + value.size();
  if (chunk_.rows != 0 && (chunk_.database != database || payload_.size() + more > kChunkBytes)) {
    FLATKV_TRY(close_chunk());
  }
  chunk_.database = database;
  append_sized(payload_, key);
  append_sized(payload_, value);
  ++chunk_.rows;
  ++rows_;
  return {};
}

Status StreamWriter::close_chunk() {
  chunk_.payload_bytes = static_cast<std::uint32_t>(payload_.size());
  const FrameBytes header = encode(chunk_);
  previous_ = frame_digest(previous_, header, payload_);
  FLATKV_TRY(sink_.write(header));
  FLATKV_TRY(sink_.write(payload_));
  FLATKV_TRY(sink_.write(previous_));
  chunk_.rows = 0;
  ++chunk_.index;
  clear_for_reuse(payload_);
  return {};
}

Status StreamWriter::finish() {
  if (chunk_.rows != 0) FLATKV_TRY(close_chunk());
  const FrameBytes footer = encode(Footer{chunk_.index, rows_});
  FLATKV_TRY(sink_.write(footer));
  return sink_.write(frame_digest(previous_, footer, {}));
}

}  // namespace flatkv::transfer

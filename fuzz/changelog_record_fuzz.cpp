// SPDX-License-Identifier: Apache-2.0
// Headers of segments and records: the bytes as they are, and with a valid digest, which no fuzzer
// finds.
#include <algorithm>
#include <cstdlib>

#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "blake3/blake3.hpp"
#include "changelog/record.hpp"

namespace {

using namespace flatkv;
using namespace flatkv::changelog;

constexpr StoreId kStore = {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
                            0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};

/// What is accepted is exactly what would be written.
void segment(ByteView bytes) {
  const auto header = decode_segment_header(bytes);
  if (header && !equal(encode(*header), bytes.first(kSegmentHeaderBytes))) std::abort();
}

void record(ByteView bytes) {
  auto header = decode_record_header(kStore, bytes);
  if (header && !equal(encode(kStore, *header), bytes.first(kRecordHeaderBytes))) std::abort();
}

Bytes sealed(ByteView body, bool with_store) {
  Bytes bytes = to_bytes(body);
  blake3::Hasher hasher;
  if (with_store) hasher.update(kStore);
  append(bytes, hasher.update(body).finalize());
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes{data, size};
  segment(bytes);
  record(bytes);
  record(sealed(bytes.first(std::min(size, kRecordHeaderBytes - 32)), true));
  Bytes body = to_bytes(bytes.first(std::min<std::size_t>(size, 5000)));
  segment(sealed(body, false));
  constexpr std::size_t kLengthOffset = 12;
  if (body.size() >= kLengthOffset + 4) {
    store_le(body.data() + kLengthOffset, static_cast<std::uint32_t>(body.size() + 32));
    segment(sealed(body, false));
  }
  return 0;
}

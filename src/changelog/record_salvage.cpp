// SPDX-License-Identifier: Apache-2.0
#include "changelog/record_salvage.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace flatkv::changelog {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{256} << 10;
/// What every record begins with: the magic and the header's length.
constexpr std::array<std::uint8_t, 8> kBegin = {
    kRecordMagic[0],           kRecordMagic[1],           kRecordMagic[2],
    kRecordMagic[3],           kRecordHeaderBytes & 0xff, kRecordHeaderBytes >> 8U & 0xff,
    kRecordHeaderBytes >> 16U, kRecordHeaderBytes >> 24U};
constexpr std::size_t kOverlap = kBegin.size() - 1;

/// The header at that offset; nullopt if its digest is wrong.
Result<std::optional<RecordHeader>> header_at(SegmentFile& file, const StoreId& store,
                                              std::uint64_t offset) {
  FLATKV_ASSIGN(const ByteView bytes, file.at(offset, kRecordHeaderBytes));
  auto header = decode_record_header(store, bytes);
  if (!header) return std::optional<RecordHeader>{};
  return std::optional(*header);
}

/// Whether a valid record header or the end of the segment follows at `offset`.
Result<bool> leads_on(SegmentFile& file, const StoreId& store, std::uint64_t offset) {
  if (offset == file.size()) return true;
  FLATKV_ASSIGN(const auto header, header_at(file, store, offset));
  return header.has_value();
}

/// Checks a candidate; returns where to continue the search.
Result<std::uint64_t> consider(SegmentFile& file, const StoreId& store, std::uint64_t offset,
                               std::int64_t version, Found& found) {
  FLATKV_ASSIGN(const auto header, header_at(file, store, offset));
  if (!header) return offset + 1;
  found.synced = std::max(found.synced, header->synced);
  found.highest = std::max(found.highest, header->version);
  const std::uint64_t payload = offset + kRecordHeaderBytes;
  if (header->payload_bytes > file.size() - payload) return payload;
  const std::uint64_t end = payload + header->payload_bytes;
  // One valid record is enough; payloads are read for no other purpose.
  if (!found.above && header->version > version) {
    FLATKV_ASSIGN(const Digest digest, file.digest(payload, header->payload_bytes));
    found.above = digest == header->payload_digest;
    FLATKV_ASSIGN(const bool walks, leads_on(file, store, end));
    if (!found.above && !walks) return payload;
  }
  return end;
}

}  // namespace

Status search_records(SegmentFile& file, const StoreId& store, std::uint64_t begin,
                      std::int64_t version, Found& found) {
  Bytes chunk;
  for (std::uint64_t from = begin; from + kOverlap < file.size();) {
    chunk.resize(
        static_cast<std::size_t>(std::min<std::uint64_t>(kChunkBytes, file.size() - from)));
    FLATKV_TRY(file.read(from, chunk));
    std::uint64_t next = from + chunk.size() - kOverlap;
    for (std::size_t at = 0;
         (at = as_chars(chunk).find(as_chars(kBegin), at)) != std::string_view::npos;) {
      FLATKV_ASSIGN(const std::uint64_t on, consider(file, store, from + at, version, found));
      at = static_cast<std::size_t>(on - from);
      next = std::max(next, on);
      if (at >= chunk.size()) break;
    }
    from = next;
  }
  return {};
}

}  // namespace flatkv::changelog

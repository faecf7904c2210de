// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "base/error.hpp"
#include "flatkv/bytes.hpp"
#include "flatkv/roots.hpp"

// The bytes of the changelog (docs/formats.md#changelog). Pure functions, no I/O.
namespace flatkv::changelog {

using StoreId = std::array<std::uint8_t, 16>;

/// Where a log starts: the version just before its first record and the chain digest there.
struct Base {
  std::int64_t version = 0;
  Digest digest{};
  bool operator==(const Base&) const = default;
};

/// Base digest after init and import, and of a new log that replaces a lost one: the digest of
/// "flatkv-base" ‖ store id ‖ version ‖ the five checksums.
Digest base_digest(const StoreId& store, std::int64_t version, const Roots& roots);

struct SegmentHeader {
  StoreId store{};
  Base base;
};

inline constexpr std::size_t kSegmentHeaderBytes = 8 + 4 + 4 + 16 + 8 + 32 + 32;

std::array<std::uint8_t, kSegmentHeaderBytes> encode(const SegmentHeader& header);
/// `corruption` for bad bytes, `format_too_new` for a valid header of a newer format.
Result<SegmentHeader> decode_segment_header(ByteView bytes);

struct RecordHeader {
  std::int64_t version = 0;
  std::int64_t synced = 0;  ///< highest version known durable when the record was written
  std::uint32_t payload_bytes = 0;
  Digest previous{};  ///< chain digest of version - 1
  Digest payload_digest{};
  Roots roots;
  Digest digest{};  ///< chain digest of this version; set by `encode`, checked by `decode`
};

inline constexpr std::size_t kRecordHeaderBytes = 4 + 4 + 8 + 8 + 4 + 4 + 32 + 32 + 5 * 32 + 32;
inline constexpr std::uint32_t kMaxPayloadBytes = 1U << 30;

/// First bytes of a record. The last one occurs neither in text nor at the start of our protobuf
/// fields.
inline constexpr std::array<std::uint8_t, 4> kRecordMagic = {'F', 'K', 'R', 0xd7};

/// Serialises the header and sets `header.digest` (digest of store id ‖ the header before it).
std::array<std::uint8_t, kRecordHeaderBytes> encode(const StoreId& store, RecordHeader& header);
/// Checks magic, length, ranges and the digest under the store's id; `corruption` otherwise.
Result<RecordHeader> decode_record_header(const StoreId& store, ByteView bytes);

}  // namespace flatkv::changelog

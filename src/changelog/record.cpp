// SPDX-License-Identifier: Apache-2.0
#include "changelog/record.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "base/fields.hpp"
#include "blake3/blake3.hpp"

namespace flatkv::changelog {
namespace {

constexpr std::array<std::uint8_t, 8> kSegmentMagic = {'F', 'L', 'K', 'V', 'L', 'O', 'G', '\n'};
constexpr std::uint32_t kFormat = 1;
/// A newer format may have a longer header, but none is longer than this.
constexpr std::size_t kMaxSegmentHeaderBytes = 4096;
constexpr std::size_t kDigestBytes = std::tuple_size_v<Digest>;
constexpr std::string_view kBaseLabel = "flatkv-base";

bool is_version(std::uint64_t value) noexcept {
  return value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
}

Digest record_digest(const StoreId& store, ByteView before) noexcept {
  return blake3::Hasher().update(store).update(before).finalize();
}

Failure bad(std::string what) { return fail(ErrorCode::corruption, std::move(what)); }

}  // namespace

Digest base_digest(const StoreId& store, std::int64_t version, const Roots& roots) {
  std::array<std::uint8_t, kBaseLabel.size() + std::tuple_size_v<StoreId> + 8 + 5 * kDigestBytes>
      bytes{};
  Put(bytes.data()).bytes(as_bytes(kBaseLabel)).bytes(store).version(version).roots(roots);
  return blake3::hash(bytes);
}

std::array<std::uint8_t, kSegmentHeaderBytes> encode(const SegmentHeader& header) {
  std::array<std::uint8_t, kSegmentHeaderBytes> bytes{};
  constexpr std::size_t kBefore = kSegmentHeaderBytes - kDigestBytes;
  Put(bytes.data())
      .bytes(kSegmentMagic)
      .u32(kFormat)
      .u32(kSegmentHeaderBytes)
      .bytes(header.store)
      .version(header.base.version)
      .bytes(header.base.digest);
  Put(bytes.data() + kBefore).bytes(blake3::hash(ByteView(bytes).first(kBefore)));
  return bytes;
}

Result<SegmentHeader> decode_segment_header(ByteView bytes) {
  if (bytes.size() < kSegmentHeaderBytes) return bad("truncated segment header");
  if (!equal(bytes.first(kSegmentMagic.size()), kSegmentMagic)) return bad("bad segment magic");
  Get get(bytes.data() + kSegmentMagic.size());
  const std::uint32_t format = get.u32();
  const std::uint32_t length = get.u32();
  if (length < kSegmentHeaderBytes || length > std::min(kMaxSegmentHeaderBytes, bytes.size())) {
    return bad("bad length of the segment header");
  }
  // Check the digest before the format: a damaged header must not pass for a newer one.
  const ByteView before = bytes.first(length - kDigestBytes);
  if (!equal(blake3::hash(before), bytes.subspan(before.size(), kDigestBytes))) {
    return bad("bad digest of the segment header");
  }
  if (format > kFormat) {
    return fail(ErrorCode::format_too_new, "changelog format " + std::to_string(format) +
                                               "; this program knows up to " +
                                               std::to_string(kFormat));
  }
  if (format != kFormat || length != kSegmentHeaderBytes) return bad("bad changelog format");
  SegmentHeader header;
  get.bytes(header.store);
  const std::uint64_t version = get.u64();
  if (!is_version(version) || !is_version(version + 1)) return bad("bad base version");
  header.base.version = static_cast<std::int64_t>(version);
  get.bytes(header.base.digest);
  return header;
}

std::array<std::uint8_t, kRecordHeaderBytes> encode(const StoreId& store, RecordHeader& header) {
  FLATKV_ASSERT(header.payload_bytes <= kMaxPayloadBytes);
  std::array<std::uint8_t, kRecordHeaderBytes> bytes{};
  constexpr std::size_t kBefore = kRecordHeaderBytes - kDigestBytes;
  Put(bytes.data())
      .bytes(kRecordMagic)
      .u32(kRecordHeaderBytes)
      .version(header.version)
      .version(header.synced)
      .u32(header.payload_bytes)
      .u32(0)
      .bytes(header.previous)
      .bytes(header.payload_digest)
      .roots(header.roots);
  header.digest = record_digest(store, ByteView(bytes).first(kBefore));
  Put(bytes.data() + kBefore).bytes(header.digest);
  return bytes;
}

Result<RecordHeader> decode_record_header(const StoreId& store, ByteView bytes) {
  if (bytes.size() < kRecordHeaderBytes) return bad("truncated record header");
  bytes = bytes.first(kRecordHeaderBytes);
  if (!equal(bytes.first(kRecordMagic.size()), kRecordMagic)) return bad("bad record magic");
  Get get(bytes.data() + kRecordMagic.size());
  if (get.u32() != kRecordHeaderBytes) return bad("bad length of the record header");
  RecordHeader header;
  // Check the digest last: a search in damaged bytes must not pay for it at every magic.
  const std::uint64_t version = get.u64();
  const std::uint64_t synced = get.u64();
  if (version == 0 || !is_version(version) || synced >= version) {
    return bad("impossible version in the record header");
  }
  header.version = static_cast<std::int64_t>(version);
  header.synced = static_cast<std::int64_t>(synced);
  header.payload_bytes = get.u32();
  if (header.payload_bytes > kMaxPayloadBytes || get.u32() != 0) {
    return bad("impossible payload length in the record header");
  }
  get.bytes(header.previous);
  get.bytes(header.payload_digest);
  get.roots(header.roots);
  const ByteView before = bytes.first(kRecordHeaderBytes - kDigestBytes);
  header.digest = record_digest(store, before);
  if (!equal(header.digest, bytes.subspan(before.size()))) {
    return bad("bad digest of the record header");
  }
  return header;
}

}  // namespace flatkv::changelog

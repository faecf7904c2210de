// SPDX-License-Identifier: Apache-2.0
#include "wire/message.hpp"

#include <algorithm>
#include <string>

#include "base/bytes.hpp"
#include "base/fields.hpp"
#include "base/version_arithmetic.hpp"
#include "blake3/blake3.hpp"

namespace flatkv::wire {
namespace {

constexpr std::array<std::uint8_t, 8> kMagic = {'F', 'L', 'K', 'V', 'T', 'P', 'C', '\n'};
constexpr std::uint32_t kFormat = 1;
constexpr std::size_t kDigestBytes = std::tuple_size_v<Digest>;

std::array<std::uint8_t, kKeyBytes> key_of(const Header& header) noexcept {
  std::array<std::uint8_t, kKeyBytes> key{};
  store_be(key.data(), header.sequence);
  store_be(key.data() + 8, header.part);
  return key;
}

Failure bad(std::string what) { return fail(ErrorCode::corruption, std::move(what)); }

/// What kinds of records can have for a payload.
bool payload_fits(Kind kind, std::uint32_t bytes) noexcept {
  switch (kind) {
    case Kind::begin:
      return bytes == 4;
    case Kind::undo:
      return bytes == 0;
    case Kind::block:
    case Kind::marker:
      return bytes > 0 && bytes <= kMaxPayloadBytes;
  }
  return false;
}

Status check_header(const Header& header, std::uint64_t version, std::size_t part_bytes) {
  if (header.kind > Kind::marker) return bad("there is no such kind of record");
  const bool first = header.kind == Kind::begin;
  if (first != (header.sequence == 0) || (first && !all_zero(header.previous))) {
    return bad("a record that begins a topic has the sequence 0 and nothing before it");
  }
  if (version > static_cast<std::uint64_t>(kLastVersion) ||
      (header.kind == Kind::block && version == 0)) {
    return bad("impossible version " + std::to_string(version));
  }
  if (!payload_fits(header.kind, header.payload_bytes) || header.stored_bytes > kMaxStoredBytes ||
      (header.payload_bytes == 0) != (header.stored_bytes == 0)) {
    return bad("impossible length of the payload");
  }
  // No part is empty, but for the only one of a record without a payload.
  const std::uint32_t most_parts = std::max(header.stored_bytes, 1U);
  if (header.part >= header.parts || header.parts > most_parts) return bad("impossible part");
  const std::size_t others = header.parts - 1;
  const bool fits = header.parts == 1
                        ? part_bytes == header.stored_bytes
                        : part_bytes > 0 && part_bytes <= header.stored_bytes - others;
  return fits ? Status{} : bad("the part has another length than the record allows");
}

}  // namespace

std::string_view to_string(Kind kind) noexcept {
  static constexpr std::array<std::string_view, 4> kNames = {"begin", "block", "undo", "marker"};
  const auto index = static_cast<std::size_t>(kind);
  return index < kNames.size() ? kNames[index] : "unknown";
}

Digest record_digest(const Header& header) noexcept {
  std::array<std::uint8_t, 16 + kDigestBytes + 8 + 4 + 8 + 6 * kDigestBytes> bytes{};
  Put(bytes.data())
      .bytes(header.topic)
      .bytes(header.previous)
      .u64(header.sequence)
      .u32(static_cast<std::uint32_t>(header.kind))
      .version(header.version)
      .roots(header.roots)
      .bytes(header.payload_digest);
  return blake3::hash(bytes);
}

Message encode_message(const Header& header, ByteView bytes) {
  Message message;
  message.key = to_bytes(key_of(header));
  message.value.resize(kValueOverhead + bytes.size());
  Put put(message.value.data());
  put.bytes(kMagic)
      .u32(kFormat)
      .u32(kHeaderBytes)
      .bytes(header.topic)
      .u64(header.sequence)
      .u32(static_cast<std::uint32_t>(header.kind))
      .u32(header.part)
      .u32(header.parts)
      .u32(header.depth)
      .version(header.version)
      .u32(header.payload_bytes)
      .u32(header.stored_bytes)
      .roots(header.roots)
      .bytes(header.previous)
      .bytes(header.payload_digest)
      .bytes(header.digest)
      .bytes(bytes)
      .bytes(blake3::hash(ByteView(message.value).first(kHeaderBytes + bytes.size())));
  return message;
}

Result<Part> decode_message(ByteView key, ByteView value) {
  constexpr std::size_t kBeforeRest = kMagic.size() + 4 + 4;
  if (value.size() < kBeforeRest + kDigestBytes || !equal(value.first(kMagic.size()), kMagic)) {
    return bad("not a message of FlatKV's");
  }
  // The digest before the format: a damaged message must not pass for a newer one.
  const ByteView before = value.first(value.size() - kDigestBytes);
  if (!equal(blake3::hash(before), value.last(kDigestBytes))) return bad("wrong digest");
  Get get(value.data() + kMagic.size());
  if (const std::uint32_t format = get.u32(); format != kFormat) {
    if (format == 0) return bad("format 0");
    return fail(ErrorCode::format_too_new, "the topic has format " + std::to_string(format) +
                                               "; this program knows up to " +
                                               std::to_string(kFormat));
  }
  if (get.u32() != kHeaderBytes || value.size() < kValueOverhead) {
    return bad("bad length of the header");
  }
  Part part;
  Header& header = part.header;
  get.bytes(header.topic);
  header.sequence = get.u64();
  header.kind = static_cast<Kind>(get.u32());
  header.part = get.u32();
  header.parts = get.u32();
  header.depth = get.u32();
  const std::uint64_t version = get.u64();
  header.payload_bytes = get.u32();
  header.stored_bytes = get.u32();
  get.roots(header.roots);
  get.bytes(header.previous);
  get.bytes(header.payload_digest);
  get.bytes(header.digest);
  part.bytes = before.subspan(kHeaderBytes);
  FLATKV_TRY(check_header(header, version, part.bytes.size()));
  header.version = static_cast<std::int64_t>(version);
  if (record_digest(header) != header.digest) return bad("wrong digest of the record");
  if (!equal(key, key_of(header))) return bad("the key is another record's");
  return part;
}

}  // namespace flatkv::wire

// SPDX-License-Identifier: Apache-2.0
#include "wire/record.hpp"

#include <zstd.h>

#include <algorithm>
#include <limits>
#include <string>

#include "base/endian.hpp"
#include "base/version_arithmetic.hpp"
#include "blake3/blake3.hpp"

namespace flatkv::wire {
namespace {

/// Fast enough for a writer's spare core; hashes and random values hardly compress at any level.
constexpr int kLevel = 1;

Failure bad(std::string what) { return fail(ErrorCode::corruption, std::move(what)); }

}  // namespace

Bytes begin_payload(AccountRows rows) {
  Bytes payload(4);
  store_le(payload.data(), static_cast<std::uint32_t>(rows));
  return payload;
}

Result<AccountRows> account_rows_of(ByteView begin_payload) {
  if (begin_payload.size() != 4) return bad("the topic's beginning has another payload");
  const auto rows = load_le<std::uint32_t>(begin_payload.data());
  if (rows > static_cast<std::uint32_t>(AccountRows::prune_empty)) {
    return bad("the topic keeps account rows in a way that is not known");
  }
  return static_cast<AccountRows>(rows);
}

Result<Bytes> pack_payload(ByteView payload) {
  if (payload.empty()) return Bytes{};
  Bytes stored(ZSTD_compressBound(payload.size()));
  const std::size_t size =
      ZSTD_compress(stored.data(), stored.size(), payload.data(), payload.size(), kLevel);
  if (ZSTD_isError(size) != 0) {
    return fail(ErrorCode::out_of_memory, std::string("zstd: ") + ZSTD_getErrorName(size));
  }
  stored.resize(size);
  return stored;
}

Result<Bytes> expand_payload(ByteView stored, std::uint32_t payload_bytes) {
  if (stored.empty() && payload_bytes == 0) return Bytes{};
  if (payload_bytes > kMaxPayloadBytes ||
      ZSTD_getFrameContentSize(stored.data(), stored.size()) != payload_bytes ||
      ZSTD_findFrameCompressedSize(stored.data(), stored.size()) != stored.size()) {
    return bad("the payload is not what its record says");
  }
  Bytes payload(payload_bytes);
  const std::size_t size =
      ZSTD_decompress(payload.data(), payload.size(), stored.data(), stored.size());
  if (ZSTD_isError(size) != 0) return bad(std::string("zstd: ") + ZSTD_getErrorName(size));
  if (size != payload_bytes) return bad("the payload is not what its record says");
  return payload;
}

Result<Bytes> payload_of(const Header& header, ByteView stored) {
  if (stored.size() != header.stored_bytes) {
    return bad("its parts have another length than it says");
  }
  FLATKV_ASSIGN(Bytes payload, expand_payload(stored, header.payload_bytes));
  if (blake3::hash(payload) != header.payload_digest) return bad("wrong digest of the payload");
  return payload;
}

std::int64_t state_after(std::int64_t state, Kind kind, std::int64_t version) noexcept {
  return kind == Kind::marker ? state : version;
}

Status check_follows(std::int64_t state, const Header& record) {
  const auto wrong = [&](const std::string& what) {
    return fail(ErrorCode::version_mismatch,
                what + " does not follow version " + std::to_string(state))
        .version(record.version);
  };
  switch (record.kind) {
    case Kind::begin:
      return wrong("a second beginning");
    case Kind::block:
      if (record.version != version_after(state)) return wrong("this block");
      break;
    case Kind::undo:
      if (record.version >= state || record.version < state - std::int64_t{record.depth}) {
        return wrong("an undo of at most " + std::to_string(record.depth) + " versions to this");
      }
      break;
    case Kind::marker:
      if (record.version > state) return wrong("a snapshot of this version");
      break;
  }
  return {};
}

Result<Encoded> encode_record(const Position& last, const Record& record, std::size_t part_bytes) {
  Header header{.topic = last.topic,
                .sequence = 0,
                .kind = record.kind,
                .depth = record.depth,
                .version = record.version,
                .payload_bytes = 0,
                .roots = record.roots,
                .payload_digest = blake3::hash(record.payload)};
  if (record.payload.size() > kMaxPayloadBytes || record.version < 0 || part_bytes == 0) {
    return fail(ErrorCode::invalid_argument, "there is no such record").version(record.version);
  }
  if (record.kind != Kind::begin) {
    header.sequence = last.sequence + 1;
    header.previous = last.digest;
    if (auto follows = check_follows(last.version, header); !follows) {
      return fail(ErrorCode::invalid_argument, std::move(follows).error().message)
          .version(record.version);
    }
  }
  FLATKV_ASSIGN(const Bytes stored, pack_payload(record.payload));
  const std::size_t parts = std::max<std::size_t>((stored.size() + part_bytes - 1) / part_bytes, 1);
  header.payload_bytes = static_cast<std::uint32_t>(record.payload.size());
  header.stored_bytes = static_cast<std::uint32_t>(stored.size());
  header.parts = static_cast<std::uint32_t>(parts);
  header.digest = record_digest(header);

  Encoded encoded;
  encoded.at = {.topic = header.topic,
                .sequence = header.sequence,
                .digest = header.digest,
                .version = state_after(last.version, record.kind, record.version)};
  encoded.messages.reserve(parts);
  for (ByteView left = stored; header.part < header.parts; ++header.part) {
    const ByteView part = left.first(std::min(left.size(), part_bytes));
    left = left.subspan(part.size());
    encoded.messages.push_back(encode_message(header, part));
  }
  return encoded;
}

}  // namespace flatkv::wire

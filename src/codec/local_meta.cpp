// SPDX-License-Identifier: Apache-2.0
#include "codec/local_meta.hpp"

#include <limits>
#include <string>

#include "base/assert.hpp"
#include "base/endian.hpp"

namespace flatkv::codec {
namespace {

constexpr auto kMaxVersion = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

void put_version(std::uint8_t* to, std::int64_t version) {
  FLATKV_ASSERT(version >= 0);
  store_be(to, static_cast<std::uint64_t>(version));
}

Result<std::int64_t> get_version(const std::uint8_t* from) {
  const auto version = load_be<std::uint64_t>(from);
  if (version > kMaxVersion) {
    return fail(ErrorCode::corruption, "version " + std::to_string(version) + " is above int64");
  }
  return static_cast<std::int64_t>(version);
}

// The limbs in order, little-endian: the serial form of LtHash. Written here a second time because
// the codec uses no code of the lthash room.
void put_hash(std::uint8_t* to, const LtHash& hash) noexcept {
  for (std::size_t i = 0; i < LtHash::kLimbs; ++i) store_le(to + 2 * i, hash.limbs()[i]);
}

LtHash get_hash(const std::uint8_t* from) noexcept {
  LtHash hash;
  for (std::size_t i = 0; i < LtHash::kLimbs; ++i) {
    hash.limbs()[i] = load_le<std::uint16_t>(from + 2 * i);
  }
  return hash;
}

Failure bad_length(std::string_view what, std::size_t size, std::string_view want) {
  return fail(ErrorCode::corruption, std::string(what) + " of " + std::to_string(size) +
                                         " bytes, want " + std::string(want));
}

}  // namespace

Bytes encode(const LocalMeta& meta) {
  Bytes bytes(meta.hash ? kLocalMetaBytes : kLocalMetaOldBytes);
  put_version(bytes.data(), meta.version);
  if (meta.hash) put_hash(bytes.data() + kLocalMetaOldBytes, *meta.hash);
  return bytes;
}

Result<LocalMeta> decode_local_meta(ByteView bytes) {
  if (bytes.size() != kLocalMetaOldBytes && bytes.size() != kLocalMetaBytes) {
    return bad_length("LocalMeta", bytes.size(), "8 or 2056");
  }
  LocalMeta meta;
  FLATKV_ASSIGN(meta.version, get_version(bytes.data()));
  if (bytes.size() == kLocalMetaBytes) {
    meta.hash = get_hash(bytes.data() + kLocalMetaOldBytes);
  }
  return meta;
}

Bytes encode(const StatsAt& at) {
  Bytes bytes(kStatsBytes);
  put_version(bytes.data(), at.version);
  store_be(bytes.data() + 8, at.stats.rows);
  store_be(bytes.data() + 16, at.stats.key_bytes);
  store_be(bytes.data() + 24, at.stats.value_bytes);
  return bytes;
}

Result<StatsAt> decode_stats(ByteView bytes) {
  if (bytes.size() != kStatsBytes) return bad_length("stats", bytes.size(), "32");
  StatsAt at;
  FLATKV_ASSIGN(at.version, get_version(bytes.data()));
  at.stats.rows = load_be<std::uint64_t>(bytes.data() + 8);
  at.stats.key_bytes = load_be<std::uint64_t>(bytes.data() + 16);
  at.stats.value_bytes = load_be<std::uint64_t>(bytes.data() + 24);
  return at;
}

Bytes encode_version(std::int64_t version) {
  Bytes bytes(sizeof(std::uint64_t));
  put_version(bytes.data(), version);
  return bytes;
}

Result<std::int64_t> decode_version(ByteView bytes) {
  if (bytes.size() != sizeof(std::uint64_t)) return bad_length("version", bytes.size(), "8");
  return get_version(bytes.data());
}

}  // namespace flatkv::codec

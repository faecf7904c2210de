// SPDX-License-Identifier: Apache-2.0
#include "changelog/record.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "base/bytes.hpp"
#include "blake3/blake3.hpp"
#include "changelog/log_walk.hpp"

namespace flatkv::changelog {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr StoreId kStore = {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
                            0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};

Digest filled(std::uint8_t byte) {
  Digest digest;
  digest.fill(byte);
  return digest;
}

// Writes the layouts of docs/formats.md#changelog independently of the code under test.
void put(Bytes& to, std::uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}
void put(Bytes& to, ByteView more) { append(to, more); }

struct RawSegment {
  std::string_view magic = "FLKVLOG\n";
  std::uint32_t format = 1;
  std::uint32_t length = 104;
  StoreId store = kStore;
  std::uint64_t version = 41;
  Digest digest = filled(0x11);
  Bytes extra;  // fields of a newer format

  Bytes bytes() const {
    Bytes all;
    put(all, as_bytes(magic));
    put(all, format, 4);
    put(all, length, 4);
    put(all, store);
    put(all, version, 8);
    put(all, digest);
    put(all, extra);
    put(all, blake3::hash(all));
    return all;
  }
};

struct RawRecord {
  std::string_view magic = "FKR\xd7";
  std::uint32_t length = 288;
  std::uint64_t version = 42;
  std::uint64_t synced = 40;
  std::uint32_t payload = 1000;
  std::uint32_t zero = 0;
  StoreId store = kStore;

  Bytes bytes() const {
    Bytes all;
    put(all, as_bytes(magic));
    put(all, length, 4);
    put(all, version, 8);
    put(all, synced, 8);
    put(all, payload, 4);
    put(all, zero, 4);
    for (std::uint8_t digest = 1; digest <= 7; ++digest) put(all, filled(digest));
    Bytes under = to_bytes(store);
    put(under, all);
    put(all, blake3::hash(under));
    return all;
  }
};

RecordHeader header() {
  RecordHeader header;
  header.version = 42;
  header.synced = 40;
  header.payload_bytes = 1000;
  header.previous = filled(1);
  header.payload_digest = filled(2);
  header.roots = {filled(3), filled(4), filled(5), filled(6), filled(7)};
  return header;
}

TEST(SegmentHeaderBytes, AsSpecified) {
  const Bytes want = RawSegment{}.bytes();
  ASSERT_EQ(want.size(), 104U);
  EXPECT_EQ(to_bytes(encode(SegmentHeader{kStore, {41, filled(0x11)}})), want);
  const auto back = decode_segment_header(want);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->store, kStore);
  EXPECT_EQ(back->base, (Base{41, filled(0x11)}));
}

TEST(SegmentHeaderBytes, EveryCutAndEveryFlippedBitIsCorruption) {
  const Bytes good = RawSegment{}.bytes();
  for (std::size_t size = 0; size < good.size(); ++size) {
    ASSERT_EQ(decode_segment_header(ByteView(good).first(size)).error().code,
              ErrorCode::corruption);
  }
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    const auto decoded = decode_segment_header(bad);
    ASSERT_FALSE(decoded) << bit;
    ASSERT_EQ(decoded.error().code, ErrorCode::corruption) << bit;
  }
}

TEST(SegmentHeaderBytes, NewerFormatsAreToldFromDamage) {
  RawSegment newer;
  newer.format = 2;
  EXPECT_EQ(decode_segment_header(newer.bytes()).error().code, ErrorCode::format_too_new);
  newer.extra = Bytes(100, 7);
  newer.length = 204;
  EXPECT_EQ(decode_segment_header(newer.bytes()).error().code, ErrorCode::format_too_new);
  Bytes damaged = newer.bytes();
  damaged[150] ^= 1;
  EXPECT_EQ(decode_segment_header(damaged).error().code, ErrorCode::corruption);
  RawSegment older;
  older.format = 0;
  EXPECT_EQ(decode_segment_header(older.bytes()).error().code, ErrorCode::corruption);
}

TEST(SegmentHeaderBytes, ImpossibleFieldsUnderARightDigestAreCorruption) {
  RawSegment longer;
  longer.extra = Bytes(8, 0);
  longer.length = 112;
  EXPECT_EQ(decode_segment_header(longer.bytes()).error().code, ErrorCode::corruption);
  for (const std::uint32_t length : {0U, 31U, 103U, 105U, 4097U, 0xffffffffU}) {
    RawSegment raw;
    raw.length = length;
    EXPECT_EQ(decode_segment_header(raw.bytes()).error().code, ErrorCode::corruption) << length;
  }
  for (const std::uint64_t version : {~0ULL, 1ULL << 63U, (1ULL << 63U) - 1}) {
    RawSegment raw;
    raw.version = version;
    EXPECT_EQ(decode_segment_header(raw.bytes()).error().code, ErrorCode::corruption) << version;
  }
}

TEST(RecordHeaderBytes, AsSpecified) {
  const Bytes want = RawRecord{}.bytes();
  ASSERT_EQ(want.size(), 288U);
  RecordHeader one = header();
  EXPECT_EQ(to_bytes(encode(kStore, one)), want);
  EXPECT_TRUE(equal(one.digest, ByteView(want).last(32))) << "encode tells the chain digest";
  const auto back = decode_record_header(kStore, want);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->version, 42);
  EXPECT_EQ(back->synced, 40);
  EXPECT_EQ(back->payload_bytes, 1000U);
  EXPECT_EQ(back->previous, filled(1));
  EXPECT_EQ(back->payload_digest, filled(2));
  EXPECT_EQ(back->roots, header().roots);
  EXPECT_EQ(back->digest, one.digest);
  Bytes more = want;
  more.push_back(1);
  EXPECT_TRUE(decode_record_header(kStore, more)) << "of the payload that follows";
}

TEST(RecordHeaderBytes, EveryCutAndEveryFlippedBitIsCorruption) {
  const Bytes good = RawRecord{}.bytes();
  for (std::size_t size = 0; size < good.size(); ++size) {
    ASSERT_FALSE(decode_record_header(kStore, ByteView(good).first(size)));
  }
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    const auto decoded = decode_record_header(kStore, bad);
    ASSERT_FALSE(decoded) << bit;
    ASSERT_EQ(decoded.error().code, ErrorCode::corruption) << bit;
  }
}

TEST(RecordHeaderBytes, OfAnotherStoreIsNotOurs) {
  RawRecord raw;
  raw.store[0] ^= 1;
  EXPECT_FALSE(decode_record_header(kStore, raw.bytes()));
  EXPECT_TRUE(decode_record_header(raw.store, raw.bytes()));
}

TEST(RecordHeaderBytes, ImpossibleFieldsUnderARightDigestAreCorruption) {
  const auto code = [](const RawRecord& raw) {
    const auto decoded = decode_record_header(kStore, raw.bytes());
    return decoded ? ErrorCode::cancelled : decoded.error().code;
  };
  for (const std::uint32_t length : {0U, 287U, 289U, 0xffffffffU}) {
    EXPECT_EQ(code({.length = length}), ErrorCode::corruption) << length;
  }
  EXPECT_EQ(code({.version = 0, .synced = 0}), ErrorCode::corruption);
  EXPECT_EQ(code({.version = 1ULL << 63U}), ErrorCode::corruption);
  EXPECT_EQ(code({.version = ~0ULL}), ErrorCode::corruption);
  EXPECT_EQ(code({.version = 42, .synced = 42}), ErrorCode::corruption);
  EXPECT_EQ(code({.version = 42, .synced = ~0ULL}), ErrorCode::corruption);
  EXPECT_EQ(code({.payload = (1U << 30) + 1}), ErrorCode::corruption);
  EXPECT_EQ(code({.zero = 1}), ErrorCode::corruption);
  EXPECT_EQ(code({.payload = 1U << 30}), ErrorCode::cancelled) << "the limit itself is allowed";
  EXPECT_EQ(code({.version = static_cast<std::uint64_t>(kMax)}), ErrorCode::cancelled);
}

TEST(RecordHeaderBytes, FieldsAreJudgedBeforeTheDigestIsComputed) {
  // A search in a damaged log must not pay for a digest wherever a payload has the magic.
  for (const RawRecord& raw : {RawRecord{.length = 289}, RawRecord{.version = 1ULL << 63U},
                               RawRecord{.version = 42, .synced = 42},
                               RawRecord{.payload = (1U << 30) + 1}, RawRecord{.zero = 1}}) {
    Bytes bytes = raw.bytes();
    bytes.back() ^= 1;
    const auto decoded = decode_record_header(kStore, bytes);
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().message.find("digest"), std::string::npos) << decoded.error().message;
  }
}

TEST(BaseDigest, AsSpecified) {
  Bytes under = to_bytes(as_bytes("flatkv-base"));
  put(under, kStore);
  put(under, 41, 8);
  for (std::uint8_t digest = 3; digest <= 7; ++digest) put(under, filled(digest));
  EXPECT_EQ(base_digest(kStore, 41, header().roots), blake3::hash(under));
}

TEST(SegmentNames, TwentyDigitsAndNothingElse) {
  EXPECT_EQ(segment_name(1), "00000000000000000001.log");
  EXPECT_EQ(segment_name(kMax), "09223372036854775807.log");
  for (const std::int64_t version : {std::int64_t{1}, std::int64_t{987654321}, kMax}) {
    EXPECT_EQ(parse_segment_name(segment_name(version)), version);
  }
  for (const std::string_view name :
       {"", "1.log", "0000000000000000001.log", "000000000000000000001.log",
        "00000000000000000000.log", "09223372036854775808.log", "99999999999999999999.log",
        "0000000000000000000a.log", "-0000000000000000001.log", "+0000000000000000001.log",
        " 0000000000000000001.log", "00000000000000000001.log-tmp", "00000000000000000001.LOG",
        "00000000000000000001", "00000000000000000001.zst"}) {
    EXPECT_FALSE(parse_segment_name(name)) << name;
  }
}

}  // namespace
}  // namespace flatkv::changelog

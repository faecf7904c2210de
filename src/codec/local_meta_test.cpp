// SPDX-License-Identifier: Apache-2.0
#include "codec/local_meta.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "base/bytes.hpp"

namespace flatkv::codec {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

LtHash some_hash() {
  LtHash hash;
  for (std::size_t i = 0; i < LtHash::kLimbs; ++i) {
    hash.limbs()[i] = static_cast<std::uint16_t>(i * 257 + 1);
  }
  return hash;
}

TEST(LocalMeta, OldFormIsTheVersionAlone) {
  const Bytes bytes = encode(LocalMeta{0x0102030405060708, std::nullopt});
  EXPECT_EQ(bytes, (Bytes{1, 2, 3, 4, 5, 6, 7, 8}));
  const auto back = decode_local_meta(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->version, 0x0102030405060708);
  EXPECT_FALSE(back->hash) << "no hash is not a hash of zero";
}

TEST(LocalMeta, NewFormIsVersionAndLimbs) {
  const Bytes bytes = encode(LocalMeta{9, some_hash()});
  ASSERT_EQ(bytes.size(), 2056U);
  EXPECT_EQ(bytes[7], 9);
  for (std::size_t i = 0; i < LtHash::kLimbs; ++i) {
    const auto limb = static_cast<std::uint16_t>(i * 257 + 1);
    ASSERT_EQ(bytes[8 + 2 * i], limb & 0xff) << i;
    ASSERT_EQ(bytes[9 + 2 * i], limb >> 8) << i;
  }
  const auto back = decode_local_meta(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->version, 9);
  ASSERT_TRUE(back->hash);
  EXPECT_EQ(*back->hash, some_hash());
}

TEST(LocalMeta, EveryOtherLengthIsCorruption) {
  for (std::size_t size = 0; size <= 2200; ++size) {
    const Bytes bytes(size, 0);
    const auto decoded = decode_local_meta(bytes);
    ASSERT_EQ(decoded.has_value(), size == 8 || size == 2056) << size;
    if (!decoded) {
      ASSERT_EQ(decoded.error().code, ErrorCode::corruption);
    }
  }
}

TEST(LocalMeta, VersionAboveInt64IsCorruption) {
  Bytes bytes = encode(LocalMeta{kMax, some_hash()});
  EXPECT_EQ(decode_local_meta(bytes)->version, kMax);
  bytes[0] = 0x80;
  EXPECT_EQ(decode_local_meta(bytes).error().code, ErrorCode::corruption);
  EXPECT_EQ(decode_local_meta(ByteView(bytes).first(8)).error().code, ErrorCode::corruption);
}

TEST(Stats, FourBigEndianNumbers) {
  const StatsAt stats{1, {2, 0x0304, 0x0506070809}};
  const Bytes bytes = encode(stats);
  EXPECT_EQ(bytes, (Bytes{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2,
                          0, 0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 5, 6, 7, 8, 9}));
  EXPECT_EQ(*decode_stats(bytes), stats);
}

TEST(Stats, EveryOtherLengthAndVersionsAboveInt64AreCorruption) {
  for (std::size_t size = 0; size <= 100; ++size) {
    ASSERT_EQ(decode_stats(Bytes(size)).has_value(), size == 32) << size;
  }
  EXPECT_EQ(decode_stats(Bytes(32, 0xff)).error().code, ErrorCode::corruption);
}

TEST(Version, RoundTripAndLengths) {
  for (const std::int64_t version : {std::int64_t{0}, std::int64_t{1}, kMax}) {
    EXPECT_EQ(*decode_version(encode_version(version)), version);
  }
  EXPECT_EQ(encode_version(258), (Bytes{0, 0, 0, 0, 0, 0, 1, 2}));
  for (std::size_t size = 0; size <= 20; ++size) {
    ASSERT_EQ(decode_version(Bytes(size)).has_value(), size == 8) << size;
  }
  EXPECT_EQ(decode_version(Bytes(8, 0xff)).error().code, ErrorCode::corruption);
}

}  // namespace
}  // namespace flatkv::codec

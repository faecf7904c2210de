// SPDX-License-Identifier: Apache-2.0
#include "parts/part_codec.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "blake3/blake3.hpp"
#include "lthash/batch.hpp"
#include "parts/test_support.hpp"

namespace flatkv::parts {
namespace {

constexpr PartContext kContext{7, AccountRows::keep};

Status checked(const Part& part, ByteView object, const PartContext& context = kContext) {
  return check_part(context, part, object, {}, {});
}

TEST(PartCodec, WhatAPartSaysOfItself) {
  const EncodedPart encoded = small_part(kContext);
  const Part& part = encoded.part;
  EXPECT_EQ(part.first, (Bytes{0x99, 0}));
  EXPECT_EQ(part.last, (Bytes{0x99, 4}));
  EXPECT_EQ(part.stats, (DatabaseStats{5, 10, 12}));
  EXPECT_EQ(part.bytes, encoded.object.size());
  EXPECT_EQ(part.digest, blake3::hash(encoded.object));
  LtHash sum;
  for (std::uint8_t i = 0; i < 5; ++i) {
    if (i != 2) sum += lthash::element(Bytes{0x99, i}, Bytes(3, i));
  }
  EXPECT_EQ(part.hash, sum);
  std::uint64_t seen = 0;
  EXPECT_TRUE(check_part(kContext, part, encoded.object, {}, [&](auto rows) -> Status {
    seen += rows.size();
    return {};
  }));
  EXPECT_EQ(seen, 5U);
}

TEST(PartCodec, EveryFlippedBitAndCut) {
  EncodedPart encoded = small_part(kContext);
  ASSERT_TRUE(checked(encoded.part, encoded.object));
  for (std::size_t at = 0; at < encoded.object.size(); ++at) {
    encoded.object[at] ^= static_cast<std::uint8_t>(1U << (at % 8));
    EXPECT_EQ(checked(encoded.part, encoded.object).error().code, ErrorCode::corruption) << at;
    // With a digest that fits it is right only where it decompresses to the same rows.
    Part forged = encoded.part;
    forged.digest = blake3::hash(encoded.object);
    std::vector<Bytes> values;
    const Status done = check_part(kContext, forged, encoded.object, {}, [&](auto rows) -> Status {
      for (const ImportRow& row : rows) values.push_back(to_bytes(row.value));
      return {};
    });
    if (done) {
      EXPECT_EQ(values, (std::vector<Bytes>{{0, 0, 0}, {1, 1, 1}, {}, {3, 3, 3}, {4, 4, 4}}));
    }
    encoded.object[at] ^= static_cast<std::uint8_t>(1U << (at % 8));
    EXPECT_FALSE(checked(encoded.part, ByteView(encoded.object).first(at))) << at;
  }
}

TEST(PartCodec, AnotherPartThanTheManifests) {
  const EncodedPart encoded = small_part(kContext);
  const auto refused = [&](const char* what, auto change) {
    Part other = encoded.part;
    change(other);
    const Status done = checked(other, encoded.object);
    ASSERT_FALSE(done) << what;
    EXPECT_EQ(done.error().code, ErrorCode::corruption) << what;
  };
  refused("first", [](Part& part) { part.first.back() ^= 1; });
  refused("last", [](Part& part) { part.last.back() ^= 1; });
  refused("rows", [](Part& part) { ++part.stats.rows; });
  refused("key bytes", [](Part& part) { ++part.stats.key_bytes; });
  refused("value bytes", [](Part& part) { --part.stats.value_bytes; });
  refused("length", [](Part& part) { ++part.bytes; });
  refused("digest", [](Part& part) { part.digest[0] ^= 1; });
  refused("hash", [](Part& part) { part.hash.limbs()[9] ^= 1; });
  refused("database", [](Part& part) { part.database = Database::code; });
  EXPECT_FALSE(checked(encoded.part, encoded.object, {8, AccountRows::keep}));
  EXPECT_FALSE(checked(encoded.part, encoded.object, {7, AccountRows::prune_empty}));
}

}  // namespace
}  // namespace flatkv::parts

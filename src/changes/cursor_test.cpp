// SPDX-License-Identifier: Apache-2.0
#include "changes/cursor.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "base/version_arithmetic.hpp"
#include "blake3/blake3.hpp"

namespace flatkv::changes {
namespace {

Digest digest(std::uint8_t fill) {
  Digest digest;
  digest.fill(fill);
  return digest;
}

Cursor cursor_of(std::int64_t first, std::size_t count) {
  Cursor cursor;
  cursor.store.fill(0x5a);
  for (std::size_t i = 0; i < count; ++i) {
    cursor.blocks.push_back(
        {first + static_cast<std::int64_t>(i), digest(static_cast<std::uint8_t>(i + 1))});
  }
  return cursor;
}

/// The digest made right again, so that what it covers is looked at.
Bytes sealed(Bytes bytes) {
  bytes.resize(bytes.size() - 32);
  append(bytes, blake3::hash(bytes));
  return bytes;
}

ErrorCode code_of(ByteView bytes) {
  const auto decoded = Cursor::decode(bytes);
  EXPECT_FALSE(decoded);
  return decoded ? ErrorCode::io : decoded.error().code;
}

TEST(Cursor, IsReadAsItWasWritten) {
  for (const auto& [first, count] : {std::pair<std::int64_t, std::size_t>{0, 1},
                                     {7, 129},
                                     {1, 4097},
                                     {kLastVersion, 1},
                                     {kLastVersion - 2, 3}}) {
    const Cursor cursor = cursor_of(first, count);
    const auto encoded = cursor.encode();
    ASSERT_TRUE(encoded) << encoded.error().to_string();
    const Bytes& bytes = *encoded;
    EXPECT_EQ(bytes.size(), 40 + 32 * (count + 1));
    const auto again = Cursor::decode(bytes);
    ASSERT_TRUE(again) << again.error().to_string();
    EXPECT_EQ(*again, cursor);
  }
}

TEST(Cursor, EveryFlippedBitAndEveryLengthIsDamage) {
  const Bytes bytes = cursor_of(5, 3).encode().value();
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    Bytes damaged = bytes;
    damaged[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_EQ(code_of(damaged), ErrorCode::corruption) << "bit " << bit;
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Bytes shorter = bytes;
    shorter.resize(size);
    EXPECT_EQ(code_of(shorter), ErrorCode::corruption) << size;
    if (size < 32) continue;
    EXPECT_EQ(code_of(sealed(shorter)), ErrorCode::corruption) << size;
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_EQ(code_of(sealed(longer)), ErrorCode::corruption);
}

TEST(Cursor, FieldsOutOfRangeAreDamage) {
  const Bytes bytes = cursor_of(5, 3).encode().value();
  const auto with = [&](std::size_t offset, auto value) {
    Bytes changed = bytes;
    store_le(changed.data() + offset, value);
    return code_of(sealed(changed));
  };
  EXPECT_EQ(with(8, 2U), ErrorCode::format_too_new);
  EXPECT_EQ(with(8, 0U), ErrorCode::corruption);
  for (const std::uint32_t count : {0U, 2U, 4U, 4098U, ~0U}) {
    EXPECT_EQ(with(12, count), ErrorCode::corruption) << count;
  }
  for (const std::uint64_t first : {~0ULL, 1ULL << 63U, (1ULL << 63U) - 2}) {
    EXPECT_EQ(with(32, first), ErrorCode::corruption) << first;
  }
}

TEST(Cursor, AgainstTheRulesIsNotWritten) {
  const auto refused = [](const Cursor& cursor) {
    const auto encoded = cursor.encode();
    return !encoded && encoded.error().code == ErrorCode::invalid_argument;
  };
  EXPECT_TRUE(refused(Cursor{}));
  EXPECT_TRUE(refused(cursor_of(1, 4098)));
  EXPECT_TRUE(refused(cursor_of(-1, 2)));
  Cursor gap = cursor_of(1, 3);
  gap.blocks[2].version = 4;
  EXPECT_TRUE(refused(gap));
  EXPECT_EQ(check_cursor(gap).error().code, ErrorCode::invalid_argument);
}

TEST(Cursor, TakesInCommitsAndUndos) {
  Cursor cursor = cursor_of(3, 1);
  for (std::int64_t version = 4; version <= 9; ++version) advance(cursor, {version, {}}, 4);
  ASSERT_EQ(cursor.blocks.size(), 4U);
  EXPECT_EQ(cursor.blocks.front().version, 6);
  go_back(cursor, {7, {}});
  EXPECT_EQ(cursor.blocks.size(), 2U);
  EXPECT_EQ(cursor.blocks.back().version, 7);
  EXPECT_TRUE(check_cursor(cursor));
  go_back(cursor, {2, digest(9)});
  ASSERT_EQ(cursor.blocks.size(), 1U);
  EXPECT_EQ(cursor.blocks.back(), (ChainPosition{2, digest(9)}));
}

}  // namespace
}  // namespace flatkv::changes

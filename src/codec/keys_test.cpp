// SPDX-License-Identifier: Apache-2.0
#include "codec/keys.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"

namespace flatkv::codec {
namespace {

Bytes key_of(std::uint8_t prefix, std::size_t length) {
  Bytes key(length);
  for (std::size_t i = 0; i < length; ++i) key[i] = static_cast<std::uint8_t>(i + 1);
  if (length > 0) key[0] = prefix;
  return key;
}

struct Want {
  Kind kind;
  Database database;
  std::size_t skipped;  // bytes of the external key that are not in the internal one
};

/// The table of docs/specification.md#routing, written a second time.
Want expected(std::uint8_t prefix, std::size_t length) {
  if (prefix == 0x0a && length == 21) return {Kind::nonce, Database::account, 1};
  if (prefix == 0x08 && length == 21) return {Kind::code_hash, Database::account, 1};
  if (prefix == 0x21 && length == 21) return {Kind::balance, Database::account, 1};
  if (prefix == 0x07 && length == 21) return {Kind::code, Database::code, 1};
  if (prefix == 0x03 && length == 53) return {Kind::storage, Database::storage, 1};
  return {Kind::legacy, Database::legacy, 0};
}

TEST(Keys, EveryPrefixAtEveryLength) {
  for (unsigned prefix = 0; prefix < 256; ++prefix) {
    for (std::size_t length = 1; length <= 60; ++length) {
      const Bytes key = key_of(static_cast<std::uint8_t>(prefix), length);
      const auto found = route(key);
      ASSERT_TRUE(found);
      const Want want = expected(static_cast<std::uint8_t>(prefix), length);
      ASSERT_EQ(found->kind, want.kind) << prefix << " " << length;
      ASSERT_EQ(found->database, want.database);
      ASSERT_TRUE(equal(found->key, ByteView(key).subspan(want.skipped)));
    }
  }
}

TEST(Keys, EmptyAndTooLongKeysAreInvalid) {
  EXPECT_EQ(route({}).error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(route(key_of(0x01, kMaxKeyBytes)));
  EXPECT_EQ(route(key_of(0x01, kMaxKeyBytes + 1)).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(route_set({}, {}).error().code, ErrorCode::invalid_argument);
}

TEST(Keys, LengthOfValuesIsCheckedByKind) {
  for (std::size_t size = 0; size <= 80; ++size) {
    const Bytes value(size, 1);
    EXPECT_EQ(route_set(key_of(0x0a, 21), value).has_value(), size == 8) << size;
    EXPECT_EQ(route_set(key_of(0x08, 21), value).has_value(), size == 32) << size;
    EXPECT_EQ(route_set(key_of(0x21, 21), value).has_value(), size == 32) << size;
    EXPECT_TRUE(route_set(key_of(0x07, 21), value));
    EXPECT_TRUE(route_set(key_of(0x03, 53), value));
    EXPECT_TRUE(route_set(key_of(0x0a, 20), value));
  }
  EXPECT_EQ(route_set(key_of(0x0a, 21), {}).error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(route(key_of(0x0a, 21))) << "a delete has no value to check";
}

TEST(Keys, TooLongValueIsInvalid) {
  const Bytes value(kMaxValueBytes + 1);
  const Bytes key = key_of(0x03, 53);
  EXPECT_TRUE(route_set(key, ByteView(value).first(kMaxValueBytes)));
  EXPECT_EQ(route_set(key, value).error().code, ErrorCode::invalid_argument);
}

// docs/hazards.md#other-modules-as-evm
// docs/hazards.md#metadata-among-rows
TEST(Keys, MetadataLikeKeysAreLegacyRowsWhole) {
  for (const std::string_view name : {"_meta/version", "_meta/hash", "local", "stats"}) {
    const auto found = route(as_bytes(name));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->database, Database::legacy);
    EXPECT_TRUE(equal(found->key, as_bytes(name)));
  }
  const Bytes zero(1, 0);
  EXPECT_EQ(route(zero)->kind, Kind::legacy);
}

TEST(Keys, BuildersMakeWhatRouteUnderstands) {
  Address address{};
  Slot slot{};
  for (std::size_t i = 0; i < address.size(); ++i) address[i] = static_cast<std::uint8_t>(i + 1);
  for (std::size_t i = 0; i < slot.size(); ++i) slot[i] = static_cast<std::uint8_t>(0xff - i);
  const std::array accounts = {std::pair{nonce_key(address), Kind::nonce},
                               std::pair{code_hash_key(address), Kind::code_hash},
                               std::pair{balance_key(address), Kind::balance},
                               std::pair{code_key(address), Kind::code}};
  for (const auto& [key, kind] : accounts) {
    EXPECT_EQ(route(key)->kind, kind);
    EXPECT_TRUE(equal(route(key)->key, address));
  }
  const StorageKey key = storage_key(address, slot);
  EXPECT_EQ(route(key)->kind, Kind::storage);
  EXPECT_TRUE(equal(route(key)->key.first(20), address));
  EXPECT_TRUE(equal(route(key)->key.subspan(20), slot));
}

}  // namespace
}  // namespace flatkv::codec

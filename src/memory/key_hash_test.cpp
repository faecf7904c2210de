// SPDX-License-Identifier: Apache-2.0
#include "memory/key_hash.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstddef>
#include <unordered_set>

#include "flatkv/bytes.hpp"

namespace flatkv::memory {
namespace {

TEST(KeyHash, KeysThatAreAlikeDiffer) {
  std::unordered_set<std::uint64_t> seen;
  std::size_t keys = 0;
  for (std::size_t size = 0; size <= 300; ++size) {
    Bytes key(size);
    seen.insert(key_hash(key));  // zeros of every length
    ++keys;
    for (std::size_t at = 0; at < size; ++at) {
      for (const std::uint8_t bit : {std::uint8_t{1}, std::uint8_t{128}}) {
        key[at] = bit;
        seen.insert(key_hash(key));
        ++keys;
      }
      key[at] = 0;
    }
  }
  EXPECT_EQ(seen.size(), keys);
}

TEST(KeyHash, EveryByteReachesEveryBit) {
  for (const std::size_t size : {1U, 8U, 20U, 21U, 32U, 52U, 53U, 240U, 300U}) {
    for (std::size_t at = 0; at < size; ++at) {
      Bytes key(size);
      std::uint64_t ones = 0;
      std::uint64_t zeros = 0;
      for (unsigned value = 0; value < 256; ++value) {
        key[at] = static_cast<std::uint8_t>(value);
        ones |= key_hash(key);
        zeros |= ~key_hash(key);
      }
      EXPECT_EQ(std::popcount(ones & zeros), 64) << at << " of " << size;
    }
  }
}

TEST(KeyHash, OnlyTheBytesCount) {
  const Bytes padded{9, 9, 9, 1, 2, 3};
  const Bytes plain{1, 2, 3};
  EXPECT_EQ(key_hash(ByteView(padded).subspan(3)), key_hash(plain));
  EXPECT_EQ(key_hash(plain), key_hash(plain));
  EXPECT_EQ(key_hash({}), key_hash(Bytes()));
}

}  // namespace
}  // namespace flatkv::memory

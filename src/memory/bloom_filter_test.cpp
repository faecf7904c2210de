// SPDX-License-Identifier: Apache-2.0
#include "memory/bloom_filter.hpp"

#include <gtest/gtest.h>

#include <array>

#include "memory/key_hash.hpp"

namespace flatkv::memory {
namespace {

std::uint64_t hash_of(std::uint64_t number) {
  std::array<std::uint8_t, sizeof number> key{};
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(number >> 8 * i);
  return key_hash(key);
}

TEST(BloomFilter, NeverDeniesAKeyAndSeldomTakesAStranger) {
  constexpr std::uint64_t kKeys = 100'000;
  BloomFilter filter(kKeys);
  for (std::uint64_t i = 0; i < kKeys; ++i) EXPECT_FALSE(i < 10 && filter.may_hold(hash_of(i)));
  for (std::uint64_t i = 0; i < kKeys; ++i) filter.add(hash_of(i));
  for (std::uint64_t i = 0; i < kKeys; ++i) ASSERT_TRUE(filter.may_hold(hash_of(i))) << i;
  std::uint64_t taken = 0;
  for (std::uint64_t i = kKeys; i < 2 * kKeys; ++i) taken += filter.may_hold(hash_of(i)) ? 1U : 0U;
  EXPECT_LT(taken, kKeys / 100) << "one in two hundred was expected";
}

TEST(BloomFilter, HoldsMoreThanItHasRoomFor) {
  BloomFilter filter(0);
  EXPECT_FALSE(filter.may_hold(hash_of(1)));
  for (std::uint64_t i = 0; i < 1000; ++i) filter.add(hash_of(i));
  for (std::uint64_t i = 0; i < 1000; ++i) ASSERT_TRUE(filter.may_hold(hash_of(i)));
  EXPECT_EQ(BloomFilter::memory_for(0), 32U);
  EXPECT_EQ(BloomFilter::memory_for(1'000'000), 1'500'000U);
}

}  // namespace
}  // namespace flatkv::memory

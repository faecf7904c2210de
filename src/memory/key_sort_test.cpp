// SPDX-License-Identifier: Apache-2.0
#include "memory/key_sort.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace flatkv::memory {
namespace {

/// Sorts the keys both ways; an item's index says which key it is.
void expect_sorted(const std::vector<std::string>& keys) {
  std::vector<SortItem> items;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const ByteView key = as_bytes(keys[i]);
    items.push_back({key_prefix(key), key.data(), static_cast<std::uint32_t>(key.size()),
                     static_cast<std::uint32_t>(i)});
  }
  sort_items(items);
  std::vector<std::string> wanted = keys;
  std::ranges::sort(wanted);  // of char_traits: as unsigned bytes
  ASSERT_EQ(items.size(), keys.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    ASSERT_EQ(keys[items[i].index], wanted[i]) << i;
    ASSERT_EQ(items[i].key, as_bytes(keys[items[i].index]).data());
  }
}

TEST(KeySort, PrefixesOrderLikeTheBytes) {
  EXPECT_EQ(key_prefix(as_bytes("")), 0U);
  EXPECT_EQ(key_prefix(as_bytes("\x01")), std::uint64_t{1} << 56);
  EXPECT_EQ(key_prefix(as_bytes("abcdefghi")), key_prefix(as_bytes("abcdefgh")));
  EXPECT_EQ(key_prefix(as_bytes("abcdefghi"), 8), std::uint64_t{'i'} << 56);
  EXPECT_EQ(key_prefix(as_bytes("abc"), 3), 0U);
  EXPECT_LT(key_prefix(as_bytes("ab")), key_prefix(as_bytes("abc")));
  EXPECT_LT(key_prefix(as_bytes("\x7f")), key_prefix(as_bytes("\xff")));
}

TEST(KeySort, NothingAndOne) {
  expect_sorted({});
  expect_sorted({"only"});
}

// Storage keys: an address that many share, then a slot.
TEST(KeySort, KeysThatShareLongPrefixes) {
  std::mt19937 random(1);
  for (const std::size_t count : {10U, 300U, 20'000U}) {
    SCOPED_TRACE(count);
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < count; ++i) {
      std::string key(20, static_cast<char>(random() % 3));
      for (int at = 0; at < 32; ++at) {
        key += static_cast<char>(at < 20 ? random() % 2 : random() % 256);
      }
      keys.push_back(key);
    }
    expect_sorted(keys);
  }
}

TEST(KeySort, ZerosOfAKeyAreNoPadding) {
  std::vector<std::string> keys;
  for (std::size_t zeros = 0; zeros < 40; ++zeros) {
    for (const char* end : {"", "\x01", "a"}) {
      keys.push_back("same beginning" + std::string(zeros, '\0') + end);
      keys.push_back(std::string(zeros, '\0') + end);
    }
  }
  std::ranges::shuffle(keys, std::mt19937(2));
  expect_sorted(keys);
}

TEST(KeySort, KeysOfAnyLength) {
  std::mt19937 random(3);
  std::vector<std::string> keys;
  for (int i = 0; i < 50'000; ++i) {
    std::string key(random() % 30, '\0');
    for (char& one : key) one = static_cast<char>(random() % 4 == 0 ? 0xff : random() % 3);
    keys.push_back(key);
  }
  expect_sorted(keys);
}

}  // namespace
}  // namespace flatkv::memory

// SPDX-License-Identifier: Apache-2.0
#include "memory/arena.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"

namespace flatkv::memory {
namespace {

constexpr std::size_t kChunk = std::size_t{64} << 10;

TEST(Arena, WhatWasCopiedStaysWhereItIs) {
  Arena arena(nullptr, kChunk);
  std::mt19937 random(1);
  std::vector<std::pair<std::string, ByteView>> all;
  std::size_t bytes = 0;
  for (int i = 0; i < 5000; ++i) {
    // Now and then one that gets a chunk of its own.
    const std::size_t size = i % 500 == 0 ? kChunk * 2 : random() % 200;
    std::string text(size, static_cast<char>(random()));
    all.emplace_back(text, arena.copy(as_bytes(text)));
    bytes += size;
  }
  for (const auto& [text, copy] : all) EXPECT_EQ(as_chars(copy), text);
  EXPECT_GE(arena.memory(), bytes);
  EXPECT_LT(arena.memory(), bytes + bytes / 4 + 2 * kChunk);
}

TEST(Arena, KeepsTheAlignmentThatIsAskedFor) {
  Arena arena(nullptr, kChunk);
  std::vector<std::pair<std::uint8_t*, std::size_t>> all;
  for (int i = 0; i < 2000; ++i) {
    const std::size_t alignment = std::size_t{1} << (i % 5);
    const std::size_t bytes = 1 + static_cast<std::size_t>(i) % 37;
    std::uint8_t* at = arena.allocate(bytes, alignment);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(at) % alignment, 0U);
    std::fill_n(at, bytes, static_cast<std::uint8_t>(i));
    all.emplace_back(at, bytes);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& [at, bytes] = all[i];
    EXPECT_EQ(std::count(at, at + bytes, static_cast<std::uint8_t>(i)), bytes) << i;
  }
}

TEST(Arena, ClearKeepsOneChunkButNotThatOfAHugeValue) {
  Arena arena(nullptr, kChunk);
  arena.clear();
  EXPECT_EQ(arena.memory(), 0U);
  arena.allocate(100);
  EXPECT_EQ(arena.memory(), std::size_t{16} << 10);
  for (int i = 0; i < 100; ++i) arena.allocate(4000);
  arena.clear();
  EXPECT_EQ(arena.memory(), kChunk);
  arena.allocate(kChunk / 4);
  EXPECT_EQ(arena.memory(), kChunk) << "what was kept is not used";
  arena.allocate(kChunk * 10);
  EXPECT_EQ(arena.memory(), kChunk * 11);
  arena.clear();
  EXPECT_EQ(arena.memory(), kChunk);
}

TEST(Arena, OfAHugeValueAloneNothingIsKept) {
  Arena arena(nullptr, kChunk);
  arena.allocate(kChunk * 10);
  arena.clear();
  EXPECT_EQ(arena.memory(), 0U);
  EXPECT_EQ(as_chars(arena.copy(as_bytes("after"))), "after");
}

TEST(Arena, LargeChunksComeFromThePoolAndGoBack) {
  constexpr std::size_t kLarge = std::size_t{2} << 20;
  PagePool pool(std::size_t{64} << 20);
  {
    Arena arena(&pool, kLarge);
    for (int i = 0; i < 20; ++i) arena.allocate(kLarge / 8);
    arena.allocate(kLarge * 3);
  }
  const std::size_t kept = pool.kept();
  EXPECT_GE(kept, kLarge);
  EXPECT_EQ(kept % kLarge, 0U) << "the chunk of the huge value is in it";
  Arena next(&pool, kLarge);
  for (int i = 0; i < 20; ++i) next.allocate(kLarge / 8);
  EXPECT_LT(pool.kept(), kept);
}

TEST(Arena, AMoveTakesTheMemoryAlong) {
  Arena first(nullptr, kChunk);
  const ByteView text = first.copy(as_bytes("some text"));
  const std::size_t memory = first.memory();
  Arena second(std::move(first));
  EXPECT_EQ(as_chars(text), "some text");
  EXPECT_EQ(second.memory(), memory);
  Arena third(nullptr, kChunk);
  third = std::move(second);
  EXPECT_EQ(as_chars(text), "some text");
  EXPECT_EQ(third.memory(), memory);
  EXPECT_EQ(second.memory(), 0U);
}

}  // namespace
}  // namespace flatkv::memory

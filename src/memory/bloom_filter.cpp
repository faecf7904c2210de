// SPDX-License-Identifier: Apache-2.0
#include "memory/bloom_filter.hpp"

#include <algorithm>
#include <array>
#include <atomic>

namespace flatkv::memory {
namespace {

constexpr std::uint64_t kBitsPerKey = 12;
constexpr std::uint64_t kBlockBits = 256;

/// Odd multipliers that pick one bit of each word from the hash's low half: the salts of Parquet's
/// format, which were chosen for few collisions between words.
constexpr std::array<std::uint32_t, 8> kSalts = {0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d,
                                                 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31};

std::uint64_t blocks_for(std::uint64_t keys) noexcept {
  return std::max<std::uint64_t>(1, (keys * kBitsPerKey + kBlockBits - 1) / kBlockBits);
}

std::uint32_t bit_of(std::uint64_t hash, std::size_t word) noexcept {
  return std::uint32_t{1} << ((static_cast<std::uint32_t>(hash) * kSalts[word]) >> 27);
}

}  // namespace

BloomFilter::BloomFilter(std::uint64_t keys)
    : blocks_(blocks_for(keys)), memory_(allocate_pages(memory_for(keys))) {}

std::uint64_t BloomFilter::memory_for(std::uint64_t keys) noexcept {
  return blocks_for(keys) * kBlockBits / 8;
}

std::uint32_t* BloomFilter::block(std::uint64_t hash) const noexcept {
  // Spreads the high half evenly over the blocks; enough for 2^32 blocks, which is 128 GiB.
  const std::uint64_t at = ((hash >> 32) * blocks_) >> 32;
  return reinterpret_cast<std::uint32_t*>(memory_.get()) + at * kWords;
}

void BloomFilter::add(std::uint64_t hash) noexcept {
  std::uint32_t* words = block(hash);
  for (std::size_t i = 0; i < kWords; ++i) {
    // Not one atomic step: nobody else writes.
    const std::atomic_ref word(words[i]);
    word.store(word.load(std::memory_order_relaxed) | bit_of(hash, i), std::memory_order_relaxed);
  }
}

bool BloomFilter::may_hold(std::uint64_t hash) const noexcept {
  std::uint32_t* words = block(hash);
  std::uint32_t lacking = 0;
  for (std::size_t i = 0; i < kWords; ++i) {
    lacking |= bit_of(hash, i) & ~std::atomic_ref(words[i]).load(std::memory_order_relaxed);
  }
  return lacking == 0;
}

}  // namespace flatkv::memory

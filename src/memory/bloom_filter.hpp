// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "memory/page_pool.hpp"

namespace flatkv::memory {

/// A set of keys that may report a key it does not hold, but never misses one that it holds: a
/// split block Bloom filter (Putze, Sanders, Singler 2007; the form that Parquet uses), with one
/// cache line per lookup. Identifies keys by key_hash. One thread adds; others may ask meanwhile,
/// and find every key whose `add` happened before.
class BloomFilter {
 public:
  /// Sized for `keys` keys at a false positive rate of 0.5 %; more keys raise the rate. Memory is
  /// committed as it is touched.
  explicit BloomFilter(std::uint64_t keys);

  void add(std::uint64_t hash) noexcept;
  bool may_hold(std::uint64_t hash) const noexcept;
  void prefetch(std::uint64_t hash) const noexcept { __builtin_prefetch(block(hash)); }

  /// Bytes of a filter for `keys` keys.
  static std::uint64_t memory_for(std::uint64_t keys) noexcept;

 private:
  static constexpr std::size_t kWords = 8;  ///< of 32 bits; each key sets one bit in each

  std::uint32_t* block(std::uint64_t hash) const noexcept;

  std::uint64_t blocks_;
  Pages memory_;
};

}  // namespace flatkv::memory

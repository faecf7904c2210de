#pragma once

#include <cstdint>

#include "engine/pages.hpp"

namespace flatkv::engine {

/// A set of keys that may say "perhaps" of a key it does not hold, and never "no" of one it does: a
/// split block Bloom filter (Putze, Sanders, Singler 2007; the form that Parquet uses), one cache
/// line touched by a lookup. Knows keys by their key_hash. One thread at a time.
class KeyFilter {
 public:
  /// Room for so many keys at one false "perhaps" in two hundred; more may be added, and make it
  /// answer "perhaps" more often. Memory is taken from the system as it is touched.
  explicit KeyFilter(std::uint64_t keys);

  void add(std::uint64_t hash) noexcept;
  bool may_hold(std::uint64_t hash) const noexcept;
  void prefetch(std::uint64_t hash) const noexcept { __builtin_prefetch(block(hash)); }

  /// Bytes that a filter for so many keys takes.
  static std::uint64_t memory_for(std::uint64_t keys) noexcept;

 private:
  static constexpr std::size_t kWords = 8;  ///< of 32 bits; each has one bit of a key

  std::uint32_t* block(std::uint64_t hash) const noexcept;

  std::uint64_t blocks_;
  Pages memory_;
};

}  // namespace flatkv::engine

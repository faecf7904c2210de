// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "block/block_rows.hpp"
#include "flatkv/database.hpp"

namespace flatkv::block {

/// Tells which of a chain's last 64 uncommitted blocks may write a key, with one lookup however
/// many they are. A Bloom filter of blocks: each word has one bit for each of them, and a key owns
/// three words; a block may write the key only if its bit is set in all three. Immutable.
class AncestorIndex {
 public:
  static constexpr std::size_t kBlocks = 64;

  /// Of the chain that ends with the block of `version`, which has these rows. `before` is that of
  /// the block below; null if that is committed. `mean_rows`: of the blocks of the chain, which
  /// decides the size.
  AncestorIndex(const AncestorIndex* before, std::int64_t version,
                const PerDataDatabase<BlockRows>& rows, std::uint64_t mean_rows);

  /// What an index takes.
  static std::uint64_t bytes_for(std::uint64_t mean_rows) noexcept;

  /// The highest bit stands for the last block, the one below it for the block before, and so on.
  /// Bits of committed blocks mean nothing.
  std::uint64_t may_write(Database database, std::uint64_t hash) const noexcept;
  std::size_t memory() const noexcept { return words_.capacity() * sizeof(std::uint64_t); }

 private:
  void take_over(const AncestorIndex& before, std::uint64_t but);

  std::vector<std::uint64_t> words_;  ///< a power of two
  unsigned last_;                     ///< bit of the last block
};

}  // namespace flatkv::block

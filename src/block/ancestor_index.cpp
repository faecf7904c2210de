// SPDX-License-Identifier: Apache-2.0
#include "block/ancestor_index.hpp"

#include <algorithm>
#include <bit>

namespace flatkv::block {
namespace {

/// With this many words a row, about one key in five hundred seems to be in a block that lacks it.
constexpr std::uint64_t kWordsPerRow = 16;
constexpr std::uint64_t kFewestWords = 64;
/// A third of the hash's bits. Blocks that are larger than this suffices for are looked into more
/// often than they need to be, and the others are not.
constexpr unsigned kPlaceBits = 21;
constexpr std::uint64_t kMostWords = std::uint64_t{1} << kPlaceBits;

/// Three places in one number. Databases differ, since code and account have the same keys.
std::uint64_t places_of(Database database, std::uint64_t hash) noexcept {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;
  const std::uint64_t mixed = (hash + static_cast<std::uint64_t>(database)) * kOdd;
  return mixed ^ (mixed >> 32);
}

std::uint64_t words_for(std::uint64_t mean_rows) noexcept {
  return std::bit_ceil(std::clamp(mean_rows * kWordsPerRow, kFewestWords, kMostWords));
}

}  // namespace

std::uint64_t AncestorIndex::bytes_for(std::uint64_t mean_rows) noexcept {
  return words_for(mean_rows) * sizeof(std::uint64_t);
}

AncestorIndex::AncestorIndex(const AncestorIndex* before, std::int64_t version,
                             const PerDataDatabase<BlockRows>& rows, std::uint64_t mean_rows)
    : words_(words_for(mean_rows)),
      last_(static_cast<unsigned>(static_cast<std::uint64_t>(version) % kBlocks)) {
  const std::uint64_t own = std::uint64_t{1} << last_;
  if (before != nullptr) take_over(*before, own);
  const std::uint64_t mask = words_.size() - 1;
  for (const Database database : kDataDatabases) {
    for (const BlockRow& row : rows[database].rows) {
      const std::uint64_t places = places_of(database, row.hash);
      words_[places & mask] |= own;
      words_[(places >> kPlaceBits) & mask] |= own;
      words_[(places >> (2 * kPlaceBits)) & mask] |= own;
    }
  }
}

/// Places are low bits, so that a larger index repeats a smaller one, and a smaller one is the
/// union of the parts of a larger one.
void AncestorIndex::take_over(const AncestorIndex& before, std::uint64_t but) {
  const std::size_t theirs = before.words_.size();
  const std::size_t ours = words_.size();
  for (std::size_t from = 0, to = 0; from < std::max(theirs, ours); ++from, ++to) {
    words_[to & (ours - 1)] |= before.words_[from & (theirs - 1)] & ~but;
  }
}

std::uint64_t AncestorIndex::may_write(Database database, std::uint64_t hash) const noexcept {
  const std::uint64_t mask = words_.size() - 1;
  const std::uint64_t places = places_of(database, hash);
  const std::uint64_t found = words_[places & mask] & words_[(places >> kPlaceBits) & mask] &
                              words_[(places >> (2 * kPlaceBits)) & mask];
  return std::rotr(found, static_cast<int>((last_ + 1) % kBlocks));
}

}  // namespace flatkv::block

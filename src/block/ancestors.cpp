// SPDX-License-Identifier: Apache-2.0
#include "block/ancestors.hpp"

#include <algorithm>
#include <bit>

#include "base/assert.hpp"
#include "block/overlay_block.hpp"

namespace flatkv::block {
namespace {

/// Fewer published blocks stay in a list: a new list costs a copy of what is left of it.
constexpr std::size_t kPruneFrom = 8;

}  // namespace

std::size_t Ancestors::published() const noexcept {
  const auto found =
      std::ranges::find_if(blocks_, [](const auto& block) { return !block->published(); });
  return static_cast<std::size_t>(found - blocks_.begin());
}

const Place& Ancestors::place_below(std::size_t first) const noexcept {
  return first == 0 ? base_ : *blocks_[first - 1]->place();
}

std::optional<std::size_t> Ancestors::first_above(const Place& state,
                                                  std::size_t from) const noexcept {
  // A block knows its place before the state with it is published, so that a reader between the
  // two is right with either state.
  for (std::size_t first = from;; ++first) {
    if (place_below(first) == state) return first;
    if (first == blocks_.size() || blocks_[first]->place() == nullptr) return std::nullopt;
  }
}

memtable::Lookup Ancestors::find(Database database, ByteView key, std::uint64_t hash,
                                 std::size_t first) const {
  for (std::size_t end = blocks_.size(); end > first;) {
    const std::size_t begin = std::max(first, end - std::min(end, AncestorIndex::kBlocks));
    std::uint64_t left = blocks_[end - 1]->index().may_write(database, hash);
    while (left != 0) {
      const auto back = static_cast<std::size_t>(std::countl_zero(left));
      if (back >= end - begin) break;
      const BlockRow* row = blocks_[end - 1 - back]->block().tables()[database].find(key, hash);
      if (row != nullptr) {
        return {row->has_value ? memtable::Presence::present : memtable::Presence::absent,
                row->value};
      }
      left &= ~(std::uint64_t{1} << (63 - back));
    }
    end = begin;
  }
  return {};
}

std::shared_ptr<const Ancestors> Ancestors::without(std::size_t first) const {
  return std::make_shared<const Ancestors>(place_below(first), from(first), memory_);
}

std::vector<std::shared_ptr<OverlayBlock>> Ancestors::from(std::size_t first) const {
  return {blocks_.begin() + static_cast<std::ptrdiff_t>(first), blocks_.end()};
}

void Lineage::prune() {
  std::shared_ptr<const Ancestors> next;  // takes the old list, which dies without the lock
  const std::lock_guard lock(mutex_);
  const std::size_t published = ancestors_->published();
  if (published == 0 || (published < kPruneFrom && published < ancestors_->blocks().size())) return;
  next = ancestors_->without(published);
  ancestors_.swap(next);
}

}  // namespace flatkv::block

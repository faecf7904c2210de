// SPDX-License-Identifier: Apache-2.0
#include "block/overlay_block.hpp"

namespace flatkv::block {
namespace {

std::uint64_t rows_of(const PendingBlock& block) {
  std::uint64_t rows = 0;
  for (const BlockRows& table : block.tables()) rows += table.rows.size();
  return rows;
}

/// Of a block and those of its ancestors that an index tells of.
std::uint64_t mean_rows(const PendingBlock& block,
                        std::span<const std::shared_ptr<OverlayBlock>> below) {
  std::uint64_t rows = rows_of(block);
  const auto seen = below.last(std::min(below.size(), AncestorIndex::kBlocks - 1));
  for (const auto& ancestor : seen) rows += rows_of(ancestor->block());
  return rows / (seen.size() + 1);
}

}  // namespace

OverlayBlock::OverlayBlock(Setup setup)
    : memory_(std::move(setup.memory)),
      block_(setup.account_rows, std::move(setup.rows), Hashing::early, std::move(setup.share),
             OldValues::copied, [this] { return base_; }) {
  block_.watch(setup.scrub);
  recount();
}

Status OverlayBlock::apply(std::span<const NamedChangeSet> change_sets,
                           const PendingBlock::Base& base) {
  struct Release {
    ~Release() {
      block.base_ = {};  // keeps no buffer alive between calls
      block.recount();
    }
    OverlayBlock& block;
  };
  const Release release{*this};
  base_ = base;
  return block_.apply(change_sets);
}

std::uint64_t OverlayBlock::seal_bytes(std::span<const std::shared_ptr<OverlayBlock>> below) const {
  return AncestorIndex::bytes_for(mean_rows(block_, below)) + (below.size() + 1) * sizeof(below[0]);
}

void OverlayBlock::seal(std::span<const std::shared_ptr<OverlayBlock>> below) {
  static_cast<void>(block_.roots());
  index_.emplace(below.empty() ? nullptr : &below.back()->index(), block_.version(),
                 block_.tables(), mean_rows(block_, below));
  recount();
}

void OverlayBlock::recount() noexcept {
  const std::uint64_t now =
      sizeof(OverlayBlock) + block_.memory() + (index_ ? index_->memory() : 0);
  *memory_ += now - counted_;  // wraps around where it is less
  counted_ = now;
}

}  // namespace flatkv::block

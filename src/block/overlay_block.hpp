// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "block/ancestor_index.hpp"
#include "block/ancestors.hpp"
#include "block/pending_block.hpp"
#include "block/place.hpp"

namespace flatkv::block {

/// The block of one overlay. Its owner writes to it until it is sealed; from then on it is read by
/// any thread through the overlays above it. The thread that commits it then writes only what no
/// reader looks at, and its place.
class OverlayBlock {
 public:
  struct Setup {
    AccountRows account_rows = AccountRows::keep;
    RowLookup rows;
    std::shared_ptr<lthash::HashingShare> share;
    const ScrubPart* scrub = nullptr;
    std::shared_ptr<OverlayMemory> memory;
  };
  /// Throws as PendingBlock does; then nothing is counted.
  explicit OverlayBlock(Setup setup);
  ~OverlayBlock() { *memory_ -= counted_; }
  OverlayBlock(const OverlayBlock&) = delete;
  OverlayBlock& operator=(const OverlayBlock&) = delete;

  PendingBlock& block() noexcept { return block_; }

  /// As PendingBlock::apply, with old values as `base` shows them.
  Status apply(std::span<const NamedChangeSet> change_sets, const PendingBlock::Base& base);
  /// What `seal` is about to take, at most.
  std::uint64_t seal_bytes(std::span<const std::shared_ptr<OverlayBlock>> below) const;
  /// Hashes what is left and makes the block one that others can stand on. `below` are the blocks
  /// that it stands on. On an exception it is as it was.
  void seal(std::span<const std::shared_ptr<OverlayBlock>> below);
  /// Of a sealed block.
  const AncestorIndex& index() const noexcept { return *index_; }

  /// Where the block is on the chain; null before it is committed. Any thread.
  const Place* place() const noexcept { return placed_.load() ? &place_ : nullptr; }
  /// Whether the state with this block was published. Any thread.
  bool published() const noexcept { return published_.load(); }
  /// Call this before the state with this block is published, and `set_published` after it.
  void set_place(const Place& place) {
    place_ = place;
    placed_.store(true);
  }
  void set_published() noexcept { published_.store(true); }

 private:
  void recount() noexcept;

  std::shared_ptr<OverlayMemory> memory_;
  std::uint64_t counted_ = 0;
  PendingBlock::Base base_;  ///< during `apply`
  PendingBlock block_;
  std::optional<AncestorIndex> index_;
  Place place_;
  std::atomic<bool> placed_ = false;
  std::atomic<bool> published_ = false;
};

}  // namespace flatkv::block

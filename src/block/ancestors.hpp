// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "block/place.hpp"
#include "flatkv/bytes.hpp"
#include "flatkv/error.hpp"
#include "memtable/memtable.hpp"

namespace flatkv::block {

class OverlayBlock;

/// Bytes that all overlays of a store take. Outlives the store, as overlays may.
using OverlayMemory = std::atomic<std::uint64_t>;

/// The sealed blocks that an overlay stands on, oldest first, and the committed block below them.
/// Immutable, and shared by all children of a block. The blocks are committed one by one, oldest
/// first; those that are stay in the list until it is pruned, and are skipped.
class Ancestors {
 public:
  /// Counts the list in `memory`.
  Ancestors(const Place& base, std::vector<std::shared_ptr<OverlayBlock>> blocks,
            std::shared_ptr<OverlayMemory> memory)
      : base_(base), blocks_(std::move(blocks)), memory_(std::move(memory)) {
    *memory_ += bytes();
  }
  ~Ancestors() { *memory_ -= bytes(); }
  Ancestors(const Ancestors&) = delete;
  Ancestors& operator=(const Ancestors&) = delete;

  const std::vector<std::shared_ptr<OverlayBlock>>& blocks() const noexcept { return blocks_; }
  /// How many of the blocks are part of the published state.
  std::size_t published() const noexcept;
  /// The index of the first block that is not part of the state at `state`. Nothing if this chain
  /// does not continue that state, or continues an older one only: `from` is what `published` gave
  /// before that state was loaded.
  std::optional<std::size_t> first_above(const Place& state, std::size_t from) const noexcept;

  /// What the blocks from `first` on write to the key; unknown if nothing. The value lives as long
  /// as they do.
  memtable::Lookup find(Database database, ByteView key, std::uint64_t hash,
                        std::size_t first) const;

  /// The same chain without the blocks before `first`, which are published.
  std::shared_ptr<const Ancestors> without(std::size_t first) const;
  /// The blocks of that chain.
  std::vector<std::shared_ptr<OverlayBlock>> from(std::size_t first) const;
  /// Where the block with this index stands; the base for none.
  const Place& place_below(std::size_t first) const noexcept;

 private:
  std::uint64_t bytes() const noexcept {
    return sizeof(Ancestors) + blocks_.capacity() * sizeof(blocks_[0]);
  }

  const Place base_;
  const std::vector<std::shared_ptr<OverlayBlock>> blocks_;
  const std::shared_ptr<OverlayMemory> memory_;
};

/// An overlay's ancestors, as the writer that commits them prunes them. Thread-safe.
class Lineage {
 public:
  explicit Lineage(std::shared_ptr<const Ancestors> ancestors) : ancestors_(std::move(ancestors)) {}

  std::shared_ptr<const Ancestors> load() const {
    const std::lock_guard lock(mutex_);
    return ancestors_;
  }
  void store(std::shared_ptr<const Ancestors> next) {
    const std::lock_guard lock(mutex_);
    ancestors_.swap(next);
  }
  /// Drops the published blocks, if they are enough to be worth a new list.
  void prune();

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Ancestors> ancestors_;
};

}  // namespace flatkv::block

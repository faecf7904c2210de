// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "block/ancestors.hpp"
#include "block/overlay_block.hpp"

namespace flatkv::commit {

/// What the overlays of one core share: the count of their memory, the lists of ancestors that a
/// commit prunes, and how the core ended. Overlays may outlive the core, but not this.
/// Thread-safe.
class Overlays {
 public:
  enum class End : std::uint8_t { none, closed, rolled_back };

  /// `most_bytes`: beyond this, nothing is added to any overlay.
  Overlays(std::string store, std::uint64_t most_bytes)
      : store_(std::move(store)), most_bytes_(most_bytes) {}

  std::shared_ptr<block::Lineage> track(std::shared_ptr<const block::Ancestors> ancestors);
  /// Call it after a commit.
  void prune() noexcept;

  const std::shared_ptr<block::OverlayMemory>& counter() const noexcept { return memory_; }
  /// Continues the count of `last`, whose overlays may still be there. Before any other thread has
  /// this.
  void count_with(const Overlays& last) { memory_ = last.memory_; }
  std::uint64_t memory() const noexcept { return memory_->load(); }
  /// `no_space` if another `bytes` would exceed the limit.
  Status check_room(std::uint64_t bytes) const;

  /// Ends all overlays. The first call counts.
  void end(End how) noexcept;
  /// What calls of the overlays return after the end: `store_failed` or `stale`.
  Status check_open() const;

 private:
  const std::string store_;
  const std::uint64_t most_bytes_;
  std::shared_ptr<block::OverlayMemory> memory_ =
      std::make_shared<block::OverlayMemory>(std::uint64_t{0});
  mutable std::mutex mutex_;
  std::vector<std::weak_ptr<block::Lineage>> lineages_;
  std::size_t sweep_at_ = 64;  ///< size of `lineages_` at which ended ones are removed
  std::atomic<End> end_ = End::none;
};

}  // namespace flatkv::commit

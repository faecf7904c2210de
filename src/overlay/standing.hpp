// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "block/ancestors.hpp"
#include "block/overlay_block.hpp"
#include "commit/core.hpp"
#include "state/state.hpp"

namespace flatkv::overlay {

/// What one call of an overlay reads through, kept alive for the call: the committed state and the
/// uncommitted blocks that the overlay stands on.
struct Standing {
  std::shared_ptr<commit::Core> core;
  std::shared_ptr<const state::State> state;
  std::shared_ptr<const block::Ancestors> ancestors;
  std::size_t first = 0;  ///< index of the first ancestor that is not part of `state`

  bool none_above() const noexcept { return first == ancestors->blocks().size(); }
  block::Ground ground() const noexcept {
    return {*state, none_above() ? nullptr : ancestors.get(), first};
  }
  block::PendingBlock::Base base() const {
    return {state, none_above() ? nullptr : ancestors, first};
  }
  std::vector<std::shared_ptr<block::OverlayBlock>> above() const { return ancestors->from(first); }
  block::Place place() const noexcept { return {state->version, state->chain, state->stamp}; }
};

/// Finds the state that the lineage continues. `stale` if that is not the committed one;
/// `store_failed` if the store is closed, `unsupported` in a forked child.
///
/// After an undo the state of the block that stays has its old place, so what stands on it goes on.
/// An undone block's place never comes back, not even with the same block, since no commit gets its
/// stamp again: what stands on it is stale for good, whether by its base or by an ancestor that was
/// committed and knows its place.
Result<Standing> stand(const std::weak_ptr<commit::Core>& core, const commit::Overlays& family,
                       const block::Lineage& lineage, std::int64_t version);

}  // namespace flatkv::overlay

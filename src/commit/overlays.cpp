// SPDX-License-Identifier: Apache-2.0
#include "commit/overlays.hpp"

#include <algorithm>
#include <new>
#include <string>

namespace flatkv::commit {

std::shared_ptr<block::Lineage> Overlays::track(std::shared_ptr<const block::Ancestors> ancestors) {
  auto lineage = std::make_shared<block::Lineage>(std::move(ancestors));
  const std::lock_guard lock(mutex_);
  if (lineages_.size() >= sweep_at_) {
    std::erase_if(lineages_, [](const auto& weak) { return weak.expired(); });
    sweep_at_ = std::max<std::size_t>(64, 2 * lineages_.size());
  }
  lineages_.push_back(lineage);
  return lineage;
}

void Overlays::prune() noexcept {
  try {
    std::vector<std::shared_ptr<block::Lineage>> living;
    {
      const std::lock_guard lock(mutex_);
      living.reserve(lineages_.size());
      std::erase_if(lineages_, [&](const auto& weak) {
        auto lineage = weak.lock();
        if (!lineage) return true;
        living.push_back(std::move(lineage));
        return false;
      });
    }
    for (const auto& lineage : living) lineage->prune();
  } catch (const std::bad_alloc&) {
    return;  // the next commit does it
  }
}

Status Overlays::check_room(std::uint64_t bytes) const {
  const std::uint64_t used = memory();
  if (used <= most_bytes_ && bytes <= most_bytes_ - used) return {};
  return fail(ErrorCode::no_space,
              "overlays take " + std::to_string(used) + " bytes, " + std::to_string(bytes) +
                  " more may be needed, the limit (overlay_memory_bytes) is " +
                  std::to_string(most_bytes_) + "; stale ones count until they are destroyed")
      .path(store_);
}

void Overlays::end(End how) noexcept {
  auto none = End::none;
  end_.compare_exchange_strong(none, how);
}

Status Overlays::check_open() const {
  switch (end_.load()) {
    case End::none:
      return {};
    case End::closed:
      return fail(ErrorCode::store_failed, "the store is closed").path(store_);
    case End::rolled_back:
      break;
  }
  return fail(ErrorCode::stale, "the store was rolled back").path(store_);
}

}  // namespace flatkv::commit

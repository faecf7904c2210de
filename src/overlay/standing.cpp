// SPDX-License-Identifier: Apache-2.0
#include "overlay/standing.hpp"

namespace flatkv::overlay {

Result<Standing> stand(const std::weak_ptr<commit::Core>& core, const commit::Overlays& family,
                       const block::Lineage& lineage, std::int64_t version) {
  FLATKV_TRY(family.check_open());
  Standing standing;
  standing.core = core.lock();
  if (!standing.core) return fail(ErrorCode::store_failed, "the store is closed");
  FLATKV_TRY(standing.core->check_readable());
  standing.ancestors = lineage.load();
  const block::Ancestors& ancestors = *standing.ancestors;
  for (;;) {
    const std::size_t published = ancestors.published();
    standing.state = standing.core->state();
    if (const auto first = ancestors.first_above(standing.place(), published)) {
      standing.first = *first;
      break;
    }
    // A commit may have published one of the ancestors between the two lines.
    if (ancestors.published() != published) continue;
    return fail(ErrorCode::stale, "the block that it stands on is not the last committed one")
        .path(standing.core->setup().store)
        .version(version);
  }
  if (!standing.state->lifetime) {  // another thread closed the store meanwhile
    FLATKV_TRY(family.check_open());
    FLATKV_TRY(standing.core->check_readable());
  }
  return standing;
}

}  // namespace flatkv::overlay

// SPDX-License-Identifier: Apache-2.0
// The part of Core that gives states to views, and bounds what they and the recent versions keep.
#include <array>

#include "commit/core.hpp"

namespace flatkv::commit {

std::shared_ptr<const state::State> Core::hold(std::shared_ptr<const state::State> state) const {
  return holds_->hold(std::move(state), state::Holds::By::views);
}

Result<std::shared_ptr<const state::State>> Core::hold_readable(
    std::shared_ptr<const state::State> state) const {
  state = hold(std::move(state));
  if (!state->lifetime) FLATKV_TRY(check_readable());  // another thread closed the store meanwhile
  return state;
}

Result<std::shared_ptr<const state::State>> Core::readable_state() const {
  FLATKV_TRY(check_readable());
  return hold_readable(published_.load());
}

Result<RowIterator> Core::iterate(Database database, const RowRange& range) const {
  return guarded([&]() -> Result<RowIterator> {
    FLATKV_ASSIGN(auto state, readable_state());
    const std::array<const block::PendingBlock*, 1> pending{&pending_};
    return read::iterate(state, pending, database, range);
  });
}

state::Holds::Kept Core::shed_recent() const {
  while (true) {
    const state::Holds::Kept kept = holds_->kept(*published_.load());
    if (kept.by_recent_alone == 0 ||
        kept.by_recent_alone + kept.by_views_alone <= setup_.options.max_view_bytes ||
        recent_.shed().empty()) {
      return kept;
    }
  }
}

Status Core::check_view_bytes() const {
  const std::uint64_t pinned = shed_recent().by_views_alone;
  if (pinned <= setup_.options.max_view_bytes) return {};
  return fail(ErrorCode::no_space, "views keep " + std::to_string(pinned) +
                                       " bytes of old buffers alive, the limit is " +
                                       std::to_string(setup_.options.max_view_bytes))
      .path(setup_.store);
}

Result<std::shared_ptr<const state::State>> Core::view_state() const {
  FLATKV_TRY(check_view_bytes());
  return readable_state();
}

Result<std::shared_ptr<const state::State>> Core::view_state(std::int64_t version) const {
  FLATKV_TRY(check_view_bytes());
  FLATKV_TRY(check_readable());
  auto state = published_.load();
  if (state->version != version) state = recent_.find(version);
  if (!state) return no_such_view(version);
  return hold_readable(std::move(state));
}

Failure Core::no_such_view(std::int64_t version) const {
  const std::int64_t last = published_.load()->version;
  const auto range = recent_.range();
  const std::int64_t first = range ? range->first : last;
  std::string message = "the versions in memory are " + std::to_string(first);
  if (first != last) message += " to " + std::to_string(last);
  if (version < first) message += "; ReadOnlyStore::open reads older ones from disk";
  return fail(ErrorCode::version_mismatch, std::move(message)).path(setup_.store).version(version);
}

}  // namespace flatkv::commit

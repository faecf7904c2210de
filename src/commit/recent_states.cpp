// SPDX-License-Identifier: Apache-2.0
#include "commit/recent_states.hpp"

#include <algorithm>

namespace flatkv::commit {
namespace {

bool is_level(const state::State& state) {
  return std::ranges::all_of(kDataDatabases, [&](Database database) {
    return state.of(database).version == state.version;
  });
}

/// The buffer of each database that was filled first.
PerDataDatabase<const memtable::Memtable*> oldest_buffers(const state::State& state) {
  PerDataDatabase<const memtable::Memtable*> oldest{};
  for (const Database database : kDataDatabases) {
    const state::DbState& own = state.of(database);
    oldest[database] = own.frozen.empty() ? own.active.get() : own.frozen.back().get();
  }
  return oldest;
}

}  // namespace

void RecentStates::drop_first(Dropped& dropped) {
  dropped.push_back(std::move(states_.front().held));
  dropped.push_back(std::move(states_.front().state));
  states_.pop_front();
}

RecentStates::Dropped RecentStates::push(const std::shared_ptr<const state::State>& last,
                                         state::Holds& holds) {
  Dropped dropped;
  const std::lock_guard lock(mutex_);
  if (most_ == 0 || !is_level(*last)) return dropped;
  if (!states_.empty() && states_.back().state->version + 1 != last->version) {
    while (!states_.empty()) drop_first(dropped);
  }
  states_.push_back({last, holds.hold(last, state::Holds::By::recent)});
  if (states_.size() > most_) drop_first(dropped);
  return dropped;
}

std::shared_ptr<const state::State> RecentStates::find(std::int64_t version) const {
  const std::lock_guard lock(mutex_);
  if (states_.empty()) return nullptr;
  const std::int64_t first = states_.front().state->version;
  if (version < first || version > states_.back().state->version) return nullptr;
  return states_[static_cast<std::size_t>(version - first)].state;
}

std::optional<std::pair<std::int64_t, std::int64_t>> RecentStates::range() const {
  const std::lock_guard lock(mutex_);
  if (states_.empty()) return std::nullopt;
  return std::pair(states_.front().state->version, states_.back().state->version);
}

std::uint64_t RecentStates::size() const {
  const std::lock_guard lock(mutex_);
  return states_.size();
}

RecentStates::Dropped RecentStates::shed() {
  Dropped dropped;
  const std::lock_guard lock(mutex_);
  if (states_.empty()) return dropped;
  const auto oldest = oldest_buffers(*states_.front().state);
  while (!states_.empty() && oldest_buffers(*states_.front().state) == oldest) drop_first(dropped);
  return dropped;
}

RecentStates::Dropped RecentStates::drop_from(std::int64_t version) {
  Dropped dropped;
  const std::lock_guard lock(mutex_);
  while (!states_.empty() && states_.back().state->version >= version) {
    dropped.push_back(std::move(states_.back().held));
    dropped.push_back(std::move(states_.back().state));
    states_.pop_back();
  }
  return dropped;
}

void RecentStates::hold_by(state::Holds& holds) {
  Dropped dropped;  // declared before the lock: destroyed after it
  const std::lock_guard lock(mutex_);
  for (Entry& entry : states_) {
    dropped.push_back(std::exchange(entry.held, holds.hold(entry.state, state::Holds::By::recent)));
  }
}

RecentStates::Dropped RecentStates::end() {
  Dropped dropped;
  const std::lock_guard lock(mutex_);
  most_ = 0;
  while (!states_.empty()) drop_first(dropped);
  return dropped;
}

}  // namespace flatkv::commit

// SPDX-License-Identifier: Apache-2.0
#include "state/holds.hpp"

#include <algorithm>

namespace flatkv::state {
namespace {

template <class Visit>
void each_buffer(const State& state, Visit visit) {
  for (const DbState& own : state.databases) {
    if (own.active) visit(own.active.get());
    for (const auto& frozen : own.frozen) visit(frozen.get());
  }
}

bool has(const State& state, const memtable::Memtable* buffer) {
  bool found = false;
  each_buffer(state, [&](const memtable::Memtable* other) { found |= other == buffer; });
  return found;
}

}  // namespace

struct Holds::Hold {
  Hold(std::shared_ptr<Holds> all, std::shared_ptr<const State> held, By who)
      : holds(std::move(all)), state(std::move(held)), by(who) {}
  ~Hold() {
    const std::lock_guard lock(holds->mutex_);
    for (const memtable::Memtable* buffer : counted) holds->remove(buffer, by);
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

  const std::shared_ptr<Holds> holds;
  const std::shared_ptr<const State> state;
  const By by;
  std::vector<const memtable::Memtable*> counted;
};

std::shared_ptr<const State> Holds::hold(std::shared_ptr<const State> state, By by) {
  const auto index = static_cast<std::size_t>(by);
  const State* const wanted = state.get();
  std::shared_ptr<Hold> hold;  // declared before the lock: destroying the last copy takes it
  {
    const std::lock_guard lock(mutex_);
    hold = latest_[index].lock();
  }
  if (!hold || hold->state.get() != wanted) {
    hold = std::make_shared<Hold>(shared_from_this(), std::move(state), by);
    std::vector<const memtable::Memtable*> buffers;
    each_buffer(*wanted, [&](const memtable::Memtable* buffer) { buffers.push_back(buffer); });
    hold->counted.reserve(buffers.size());
    const std::lock_guard lock(mutex_);
    for (const memtable::Memtable* buffer : buffers) {
      add(buffer, by);
      hold->counted.push_back(buffer);
    }
    latest_[index] = hold;
  }
  return {std::move(hold), wanted};
}

void Holds::add(const memtable::Memtable* buffer, By by) {
  auto found = std::ranges::find(counts_, buffer, &Count::buffer);
  if (found == counts_.end()) found = counts_.insert(found, {buffer, {}});
  ++found->holders[static_cast<std::size_t>(by)];
}

void Holds::remove(const memtable::Memtable* buffer, By by) noexcept {
  const auto found = std::ranges::find(counts_, buffer, &Count::buffer);
  --found->holders[static_cast<std::size_t>(by)];
  if (std::ranges::any_of(found->holders, [](std::uint32_t holders) { return holders != 0; })) {
    return;
  }
  *found = counts_.back();
  counts_.pop_back();
}

Holds::Kept Holds::kept(const State& current) const {
  Kept kept;
  const std::lock_guard lock(mutex_);
  for (const Count& count : counts_) {
    if (has(current, count.buffer)) continue;
    const auto is_held = [&](By by) { return count.holders[static_cast<std::size_t>(by)] != 0; };
    std::uint64_t& bytes = is_held(By::writer)  ? kept.by_writer
                           : is_held(By::views) ? kept.by_views_alone
                                                : kept.by_recent_alone;
    bytes += count.buffer->memory();
  }
  return kept;
}

}  // namespace flatkv::state

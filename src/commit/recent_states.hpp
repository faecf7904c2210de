// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "state/holds.hpp"
#include "state/state.hpp"

namespace flatkv::commit {

/// The last states before the current one, one for each version without a gap, so that a view of
/// one of them costs no more than a view of the current state. Each is the last state that was
/// published for its version, so it keeps no buffer that was flushed while it was current.
///
/// Thread-safe. What is dropped is handed to the caller: destroying a state may free a whole buffer
/// or close databases, so it must not happen under a lock.
class RecentStates {
 public:
  using Dropped = std::vector<std::shared_ptr<const state::State>>;

  /// Keeps at most `most` states.
  explicit RecentStates(std::uint64_t most) : most_(most) {}

  /// Takes the state that another version is about to replace. Ignores one whose databases are not
  /// level, as they may be during replay: it is of no one version. `holds` charges its buffers.
  [[nodiscard]] Dropped push(const std::shared_ptr<const state::State>& last, state::Holds& holds);

  /// Null if the version is not kept.
  std::shared_ptr<const state::State> find(std::int64_t version) const;
  /// The first and last version kept.
  std::optional<std::pair<std::int64_t, std::int64_t>> range() const;
  std::uint64_t size() const;

  /// Drops the oldest states: those that keep the same oldest buffers as the very first.
  [[nodiscard]] Dropped shed();
  /// Drops the states of that version and above.
  [[nodiscard]] Dropped drop_from(std::int64_t version);
  /// Charges what is kept to another `holds`.
  void hold_by(state::Holds& holds);
  /// Drops all and takes nothing more.
  [[nodiscard]] Dropped end();

 private:
  struct Entry {
    /// What `find` hands out. `held` would not do: whoever kept a copy of it would keep the
    /// buffers charged to the recent versions after they were dropped here.
    std::shared_ptr<const state::State> state;
    std::shared_ptr<const state::State> held;  ///< the same, as `Holds` counts it
  };
  void drop_first(Dropped& dropped);

  std::uint64_t most_;
  mutable std::mutex mutex_;
  std::deque<Entry> states_;
};

}  // namespace flatkv::commit

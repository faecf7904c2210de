// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "state/state.hpp"

namespace flatkv::state {

/// Tells who holds memtables that the current state has dropped. Whoever keeps a state for longer
/// than one step takes it through here; its memtables are charged to that holder until the last
/// copy is gone. Thread-safe. Shared with views, because they may outlive the store.
class Holds : public std::enable_shared_from_this<Holds> {
 public:
  enum class By : std::uint8_t {
    writer,  ///< the pending block
    views,   ///< views and iterators of users
    recent,  ///< the recent versions
  };
  std::shared_ptr<const State> hold(std::shared_ptr<const State> state, By by);

  struct Kept {
    std::uint64_t by_writer = 0;
    std::uint64_t by_views_alone = 0;   ///< and not by the writer
    std::uint64_t by_recent_alone = 0;  ///< by neither writer nor views
  };
  /// Bytes of held memtables that are not part of `current`.
  Kept kept(const State& current) const;

 private:
  struct Hold;
  struct Count {
    const memtable::Memtable* buffer;  ///< alive as long as its holder is counted
    std::array<std::uint32_t, 3> holders;
  };
  void add(const memtable::Memtable* buffer, By by);
  void remove(const memtable::Memtable* buffer, By by) noexcept;

  mutable std::mutex mutex_;
  std::vector<Count> counts_;
  std::array<std::weak_ptr<Hold>, 3> latest_;  ///< one per holder, shared by all that hold the same
                                               ///< state
};

}  // namespace flatkv::state

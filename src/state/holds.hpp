// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "state/state.hpp"

namespace flatkv::state {

/// Who keeps buffers that the current state does not have any more. Whoever keeps a state for
/// longer than a step takes it through here, and its buffers are counted as kept by that holder
/// until the last copy goes. Any thread; views outlive the store, so this is shared with them.
class Holds : public std::enable_shared_from_this<Holds> {
 public:
  enum class By : std::uint8_t {
    writer,  ///< the pending block
    views,   ///< views and iterators of users
  };
  std::shared_ptr<const State> hold(std::shared_ptr<const State> state, By by);

  struct Kept {
    std::uint64_t by_writer = 0;
    std::uint64_t by_views_alone = 0;
  };
  /// Bytes of held buffers that `current` does not have.
  Kept kept(const State& current) const;

 private:
  struct Hold;
  struct Count {
    const memtable::Memtable* buffer;  ///< lives: whoever is counted holds it
    std::array<std::uint32_t, 2> holders;
  };
  void add(const memtable::Memtable* buffer, By by);
  void remove(const memtable::Memtable* buffer, By by) noexcept;

  mutable std::mutex mutex_;
  std::vector<Count> counts_;
  std::array<std::weak_ptr<Hold>, 2> latest_;  ///< shared by all who hold the same state
};

}  // namespace flatkv::state

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <vector>

#include "base/worker.hpp"
#include "changelog/writer.hpp"
#include "state/poison_latch.hpp"

namespace flatkv::commit {

/// What a waiter for the durability of a block gets that was undone before.
Status undone_meanwhile(std::int64_t version);

/// Group durability: a thread syncs the log while blocks are committed, so that at most a given
/// number of them is not yet durable. A failed sync fails the store.
class GroupCommit {
 public:
  GroupCommit(changelog::Writer& log, state::PoisonLatch& fault,
              std::function<void(std::int64_t)> on_durable);
  ~GroupCommit() { stop(); }
  GroupCommit(const GroupCommit&) = delete;
  GroupCommit& operator=(const GroupCommit&) = delete;

  /// Syncs what is left, tells of it and ends the thread. Never call it under a lock that the
  /// callback could want, nor from the callback.
  void stop() { worker_.stop(); }

  /// Tells that a block was appended and wakes the thread. Waits while more than `most` blocks are
  /// not durable.
  Status appended(std::int64_t version, std::uint32_t most);
  /// Waits until `version`, which was appended, is durable; `stale` if it is undone meanwhile.
  Status wait(std::int64_t version);
  /// The blocks above `version`, which are durable, were undone. Never call it from the callback.
  void rewind(std::int64_t version);

 private:
  void run(const std::stop_token& stop);
  Status sync_and_tell(std::int64_t& durable) noexcept;

  changelog::Writer& log_;
  state::PoisonLatch& fault_;
  std::function<void(std::int64_t)> on_durable_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::condition_variable synced_;
  std::int64_t appended_;
  /// Highest durable version that the callback and waiting threads were told of.
  std::int64_t told_;
  struct Waiter {
    std::int64_t version;
    bool undone = false;
  };
  std::vector<Waiter*> waiters_;
  bool telling_ = false;  ///< the callback runs
  Worker worker_;         // uses all members above
};

}  // namespace flatkv::commit

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "changelog/writer.hpp"
#include "state/poison_latch.hpp"

namespace flatkv::commit {

/// Group durability: a thread that syncs the log while blocks are committed, so that at most a
/// given number of them is not yet durable. A failed sync poisons the store.
class GroupCommit {
 public:
  GroupCommit(changelog::Writer& log, state::PoisonLatch& fault,
              std::function<void(std::int64_t)> on_durable);
  ~GroupCommit() { stop(); }
  GroupCommit(const GroupCommit&) = delete;
  GroupCommit& operator=(const GroupCommit&) = delete;

  /// Syncs and tells what is left, then ends the thread. Never under a lock that the callback could
  /// want; not from the callback itself.
  void stop();
  /// Whether the caller is the callback.
  bool in_callback() const noexcept { return std::this_thread::get_id() == thread_id_; }

  /// A block was appended: wakes the thread; waits while more than `most` blocks are not durable.
  Status appended(std::int64_t version, std::uint32_t most);
  /// Waits until `version` is durable.
  Status wait(std::int64_t version);

 private:
  void run();
  Status sync_and_tell(std::int64_t& durable) noexcept;

  changelog::Writer& log_;
  state::PoisonLatch& fault_;
  std::function<void(std::int64_t)> on_durable_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable synced_;
  std::int64_t appended_;
  std::int64_t told_;  ///< highest durable version that waiting threads and the callback heard of
  bool stop_ = false;
  std::thread thread_;
  const std::thread::id thread_id_;  ///< outlives the thread
};

}  // namespace flatkv::commit

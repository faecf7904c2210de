// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "rocks/pinned_database.hpp"
#include "rocks/read_pace.hpp"

namespace flatkv::rocks {

/// Threads that wait for the device, so that the rows of one call are read at the same time: a
/// device gives many times more reads to many readers than to one. They only read; values go to the
/// calling thread as they arrive.
///
/// Each call begins on its own thread. It gets help only where the last reads had to wait, and as
/// much as their waits are worth: reads from the page cache are faster without, unless there are so
/// many of them that another core is worth having. A call never waits for a thread to become free,
/// since it reads on itself.
///
/// Thread-safe. Threads start when they are needed first, and end at `stop`; calls under way then,
/// and later ones, read on their own threads, as in a forked child.
class ReadThreads {
 public:
  /// `in_flight`: the most reads of one call at a time, its own thread's included; ≥ 1.
  explicit ReadThreads(std::uint32_t in_flight);
  ~ReadThreads();
  ReadThreads(const ReadThreads&) = delete;
  ReadThreads& operator=(const ReadThreads&) = delete;

  /// As PinnedDatabase::multi_get, with the same errors: of several failed reads, the one of the
  /// lowest key. `visit` is called on the calling thread only. Throws what it or a read threw, once
  /// no thread uses what the call borrows.
  /// `cores`: that may read, the calling thread's included, even where no read has to wait.
  Status multi_get(const PinnedDatabase& database, std::span<const ByteView> keys,
                   PinnedDatabase::AtOnce at_once, const PinnedDatabase::Visit& visit,
                   std::size_t cores = 1);

  /// Ends the threads; returns when none is left.
  void stop() noexcept;

  /// Keys looked up so far, alone or with help.
  std::uint64_t keys() const noexcept { return keys_.load(std::memory_order_relaxed); }
  /// Threads that run.
  std::size_t threads() const;

 private:
  struct Piece;
  struct Call;
  class Share;

  Status read_with_help(Call& call, const PinnedDatabase::Visit& visit);
  void start(std::size_t threads) noexcept;
  void run();
  Call* next_call();
  void read_piece(Call& call, std::unique_lock<std::mutex>& lock);
  void deliver(Call& call, std::unique_lock<std::mutex>& lock, const PinnedDatabase::Visit& visit);
  void read_own(Call& call, std::unique_lock<std::mutex>& lock, const PinnedDatabase::Visit& visit);

  const std::uint32_t in_flight_;
  ReadPace pace_;
  std::atomic<std::uint64_t> keys_ = 0;

  mutable std::mutex mutex_;  ///< guards everything below, and the calls
  std::condition_variable wake_;
  std::vector<Call*> calls_;  ///< that want help; the next one to get some is first
  std::vector<std::unique_ptr<Piece>> spare_;
  bool stopped_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace flatkv::rocks

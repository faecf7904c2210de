// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/log.hpp"
#include "block/block_rows.hpp"
#include "memory/bloom_filter.hpp"
#include "state/state.hpp"

namespace flatkv::block {

/// Proves that a database has no row of a key, without reading its tables. Half of the old values
/// that a block asks for are of new slots, and RocksDB would look for each in every level-0 table.
///
/// Why it is right. From some state S on it knows, of each database, the keys of S (`base`, filled
/// by one background scan of S, or empty if S is; keys that S deleted may be in it) and every key
/// that a later block sets (`since`: `add` is given each block before its state is published). A
/// key in neither was not in S and has not been set since, so it is absent. Deletes only leave
/// surplus keys behind. It gives no answers before the scan of S is complete. If a scan fails, or a
/// filter would exceed the memory limit, the filter of that database ends, and lookups go to the
/// tables again.
///
/// Nothing is kept on disk. A database that is empty at the open has its filter from the start; for
/// another one, the scan starts after enough lookups found nothing in the tables.
class AbsentKeyFilter {
 public:
  /// `most_bytes` limits the filters of the four databases together; 0 disables them.
  AbsentKeyFilter(std::uint64_t most_bytes, const Logger& logger);
  ~AbsentKeyFilter();
  AbsentKeyFilter(const AbsentKeyFilter&) = delete;
  AbsentKeyFilter& operator=(const AbsentKeyFilter&) = delete;

  // The writer's thread only:

  /// Whether `surely_absent` may be asked about this database.
  bool answers(Database database) const noexcept;
  void prefetch(Database database, std::uint64_t hash) const noexcept;
  bool surely_absent(Database database, std::uint64_t hash) const noexcept;
  /// Counts keys that were found to be surely absent.
  void count_answers(std::uint64_t keys) noexcept { answered_ += keys; }
  /// Counts keys that were looked up in the tables and are not there.
  void asked_in_vain(Database database, std::uint64_t keys) noexcept;
  /// Takes the rows of a block. Call it before the block's state is published.
  void add(const std::array<BlockRows, 4>& tables);
  /// Starts the filters that are due. `state` must be the published one, and every block up to it
  /// must have been given to `add`.
  void reached(const std::shared_ptr<const state::State>& state);

  /// Ends a running scan and releases what it reads; no scan starts afterwards.
  void stop();

  std::uint64_t memory() const noexcept { return memory_; }
  /// Keys that were proved absent without a table read.
  std::uint64_t answered() const noexcept { return answered_; }
  /// Waits until no scan is queued or running.
  void wait();

 private:
  enum class Phase : std::uint8_t { idle, collecting, off };
  struct Keys {
    Phase phase = Phase::idle;
    std::uint64_t in_vain = 0;
    std::unique_ptr<memory::BloomFilter> base;  ///< owned by the scan until `ready` is set
    std::atomic<const memory::BloomFilter*> ready = nullptr;
    std::atomic<bool> failed = false;
    /// Each has room for as many keys as `base` and those before it together, and for `kFirstKeys`
    /// at least.
    std::vector<std::unique_ptr<memory::BloomFilter>> since;
    std::uint64_t room = 0;  ///< keys that the last of `since` has room for
    std::uint64_t keys = 0;
  };
  struct Scan {
    Database database;
    /// Empty once their keys are in the filter.
    std::vector<std::shared_ptr<const memtable::Memtable>> buffers;
    std::shared_ptr<const rocks::PinnedDatabase> snapshot;
  };

  Keys& of(Database database) noexcept { return keys_[static_cast<std::size_t>(database)]; }
  const Keys& of(Database database) const noexcept {
    return keys_[static_cast<std::size_t>(database)];
  }
  void begin(Database database, const std::shared_ptr<const state::State>& state);
  /// A filter for `count` keys. Null if it would exceed the limit or memory is short; then the
  /// database's filter ends.
  std::unique_ptr<memory::BloomFilter> allocate(Keys& keys, std::uint64_t count);
  void end(Keys& keys);
  void run();
  void take_buffers(std::unique_lock<std::mutex>& lock);
  Status scan(const Scan& scan);

  const std::uint64_t most_bytes_;
  const Logger& logger_;
  std::array<Keys, 4> keys_;
  std::atomic<std::uint64_t> memory_ = 0;
  std::atomic<std::uint64_t> answered_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Scan> queue_;
  bool busy_ = false;
  std::atomic<bool> stop_ = false;
  std::thread thread_;  ///< started by the first scan
};

}  // namespace flatkv::block

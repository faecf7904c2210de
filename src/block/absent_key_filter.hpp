// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <stop_token>
#include <vector>

#include "base/log.hpp"
#include "base/worker.hpp"
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
///
/// Threads. Any thread may ask, also beside additions. An answer is right for states whose stamp is
/// not below that of S: a key that S deleted is in no filter. Whoever reads through a published
/// state finds the keys of its blocks, since they were added before.
///
/// Undone blocks change nothing, whether S is one of them or not. A key that the state after the
/// undo has is either in the database as pinned by S, which is at or below the blocks that can be
/// undone, or in a buffer, whose keys the scan takes whatever became of their entries, or was added
/// since. States of the undone branch have lower stamps than an S of the other one, which would
/// not know what that branch has, and are not answered.
class AbsentKeyFilter {
 public:
  /// What is known of one database: a fixed list of filters, to which keys are still added.
  class Filters {
   public:
    void prefetch(std::uint64_t hash) const noexcept {
      for (const auto& filter : all_) filter->prefetch(hash);
    }
    bool surely_absent(std::uint64_t hash) const noexcept {
      for (const auto& filter : all_) {
        if (filter->may_hold(hash)) return false;
      }
      return true;
    }

   private:
    friend class AbsentKeyFilter;
    std::vector<std::shared_ptr<memory::BloomFilter>> all_;  ///< base first
    memtable::Stamp from_ = 0;                               ///< of S
  };

  /// `most_bytes` limits the filters of the four databases together; 0 disables them.
  AbsentKeyFilter(std::uint64_t most_bytes, const Logger& logger);
  ~AbsentKeyFilter();
  AbsentKeyFilter(const AbsentKeyFilter&) = delete;
  AbsentKeyFilter& operator=(const AbsentKeyFilter&) = delete;

  // Any thread:

  /// For a read through a state of that stamp that was published before; null if nothing is known.
  std::shared_ptr<const Filters> answers(Database database, memtable::Stamp stamp) const;
  /// Counts keys that were found to be surely absent.
  void count_answers(std::uint64_t keys) noexcept { answered_ += keys; }
  /// Counts keys that were looked up in the tables and are not there.
  void asked_in_vain(Database database, std::uint64_t keys) noexcept;

  // The writer's thread only:

  /// Takes the rows of a block. Call it before the block's state is published.
  void add(const PerDataDatabase<BlockRows>& tables);
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
    std::atomic<std::uint64_t> in_vain = 0;
    std::atomic<bool> failed = false;
    std::uint64_t bytes = 0;  ///< of its filters
    std::uint64_t room = 0;   ///< keys that the last filter has room for
    std::uint64_t keys = 0;
    memtable::Stamp from = 0;  ///< of S

    mutable std::mutex mutex;  ///< guards these two
    /// Base, then those for keys that were set since. Of these each has room for as many keys as
    /// all before it together, and for `kFirstKeys` at least.
    std::shared_ptr<const Filters> filters;
    bool ready = false;  ///< the base is complete
  };
  struct Scan {
    Database database;
    std::shared_ptr<memory::BloomFilter> filter;  ///< the base
    /// Empty once their keys are in the filter.
    std::vector<std::shared_ptr<const memtable::Memtable>> buffers;
    std::shared_ptr<const rocks::PinnedDatabase> snapshot;
  };

  void begin(Database database, const std::shared_ptr<const state::State>& state);
  /// Appends a filter for `count` keys. Null if it would exceed the limit or memory is short; then
  /// the database's filter ends.
  std::shared_ptr<memory::BloomFilter> append(Keys& keys, std::uint64_t count);
  void end(Keys& keys);
  void run(const std::stop_token& stop);
  void take_buffers(std::unique_lock<std::mutex>& lock);
  Status scan(const Scan& scan, const std::stop_token& stop);

  const std::uint64_t most_bytes_;
  const Logger& logger_;
  PerDataDatabase<Keys> keys_;
  std::atomic<std::uint64_t> memory_ = 0;
  std::atomic<std::uint64_t> answered_ = 0;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Scan> queue_;
  bool busy_ = false;
  Worker worker_;  ///< started by the first scan; last: it uses all other members
};

}  // namespace flatkv::block

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

/// Says of a key that no row of a database has it, without touching its tables: half of the old
/// values of a block are of slots that are new, and RocksDB looks for each in every level-0 table.
///
/// Why it is right. Of each database it knows, from some state S on, the keys of S (`base`, from
/// one scan of S in the background, or none if S is empty; keys that S deleted may be among them)
/// and every key that was set by a block after S (`since`: `add` is told of each block before its
/// state is published). A key in neither was not in S and was not set afterwards, so it is absent;
/// deletes only leave keys behind. Until the scan of S is through, it answers nothing. A scan that
/// fails, and a filter that would grow above the bound, end it for that database: then the tables
/// are asked, as they are without it.
///
/// It keeps nothing on disk: after an open it starts when looking into tables in vain has cost
/// something, and a database that begins empty has it from the start.
class AbsentKeyFilter {
 public:
  /// `most_bytes` bounds the filters of the four databases together; 0 is off.
  AbsentKeyFilter(std::uint64_t most_bytes, const Logger& logger);
  ~AbsentKeyFilter();
  AbsentKeyFilter(const AbsentKeyFilter&) = delete;
  AbsentKeyFilter& operator=(const AbsentKeyFilter&) = delete;

  // The writer's thread only:

  /// Whether `surely_absent` may say so of any key of the database.
  bool answers(Database database) const noexcept;
  void prefetch(Database database, std::uint64_t hash) const noexcept;
  bool surely_absent(Database database, std::uint64_t hash) const noexcept;
  /// So many keys were found to be.
  void count_answers(std::uint64_t keys) noexcept { answered_ += keys; }
  /// The tables were asked for so many keys that are not there.
  void asked_in_vain(Database database, std::uint64_t keys) noexcept;
  /// A block's rows, before its state is published.
  void add(const std::array<BlockRows, 4>& tables);
  /// `state` is published and every block up to it was given to `add`, if it was begun then.
  /// Starts where that is due.
  void reached(const std::shared_ptr<const state::State>& state);

  /// Ends a scan that runs and lets go of what it reads; nothing starts any more.
  void stop();

  std::uint64_t memory() const noexcept { return memory_; }
  /// Keys that the tables were not asked for.
  std::uint64_t answered() const noexcept { return answered_; }
  /// Waits until no scan runs.
  void wait();

 private:
  enum class Phase : std::uint8_t { idle, collecting, off };
  struct Keys {
    Phase phase = Phase::idle;
    std::uint64_t in_vain = 0;
    std::unique_ptr<memory::BloomFilter> base;  ///< the scan's own until it is `ready`
    std::atomic<const memory::BloomFilter*> ready = nullptr;
    std::atomic<bool> failed = false;
    std::vector<std::unique_ptr<memory::BloomFilter>> since;  ///< each twice as large as all before
    std::uint64_t room = 0;                                   ///< keys, in the last of `since`
    std::uint64_t keys = 0;
  };
  struct Scan {
    Database database;
    std::vector<std::shared_ptr<const memtable::Memtable>> buffers;  ///< none once they are in
    std::shared_ptr<const rocks::PinnedDatabase> snapshot;
  };

  Keys& of(Database database) noexcept { return keys_[static_cast<std::size_t>(database)]; }
  const Keys& of(Database database) const noexcept {
    return keys_[static_cast<std::size_t>(database)];
  }
  void begin(Database database, const std::shared_ptr<const state::State>& state);
  /// Memory for so many keys, or nothing, and the end for that database.
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
  std::thread thread_;  ///< begun with the first scan
};

}  // namespace flatkv::block

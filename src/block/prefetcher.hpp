// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <unordered_map>
#include <vector>

#include "base/worker.hpp"
#include "block/absent_key_filter.hpp"
#include "flatkv/bytes.hpp"
#include "flatkv/store.hpp"
#include "memtable/row_cache.hpp"
#include "state/state.hpp"

namespace flatkv::block {

/// Loads rows into the row cache before a block asks for them, on a thread of its own, which starts
/// with the first of them. It looks rows up as any reader does, through the state that is published
/// by then, so the rules of cache and filter hold; and what cannot be read is left to whoever needs
/// it. Bounded: what would be too many rows is dropped.
///
/// A block takes a row that still waits here away, since it can read it now (`take`); for one that
/// is being read it waits (`wait`).
///
/// Thread-safe.
class Prefetcher {
 public:
  using FindState = std::function<std::shared_ptr<const state::State>()>;

  struct Row {
    Database database = Database::account;
    ByteView key;
    std::uint64_t hash = 0;  ///< key_hash
  };

  /// `cache` null, or `most_rows` 0: everything is dropped. `in_flight`: reads at the same time.
  /// `published` gives the newest state.
  Prefetcher(memtable::RowCache* cache, AbsentKeyFilter& absent, std::size_t most_rows,
             std::uint32_t in_flight, FindState published);
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  /// Copies the keys and waits for nothing. What there is no memory for is dropped.
  void ask(std::span<const Row> rows) noexcept;

  /// Whether any row waits or is being read. Costs a load.
  bool any() const noexcept { return open_.load(std::memory_order_acquire) != 0; }
  /// Batches of rows read so far. Costs a load.
  std::uint64_t batches() const noexcept { return done_.load(std::memory_order_acquire); }
  /// Takes the row away if it waits. If it is being read now: what to `wait` for.
  std::optional<std::uint64_t> take(Database database, std::uint64_t hash) noexcept;
  /// Returns once the rows are read for which `take` gave this number, or a lower one.
  void wait(std::uint64_t batch) noexcept;

  /// Ends the thread and drops what waits; nothing is asked for any more.
  void stop() noexcept;

  PrefetchMetrics counters() const;

 private:
  enum class Phase : std::uint8_t { waiting, reading };
  struct Waiting {
    Database database;
    std::uint64_t hash;
    Bytes key;
  };
  void run(const std::stop_token& stop) noexcept;
  bool start() noexcept;
  void ask_some(std::span<const Row> rows) noexcept;
  void add(const Row& row);
  void take_batch(std::vector<Waiting>& batch);
  PrefetchMetrics read(std::span<const Waiting> batch) const noexcept;
  void drop_waiting() noexcept;

  memtable::RowCache* const cache_;
  AbsentKeyFilter& absent_;
  const std::size_t most_rows_;
  const std::size_t batch_;  ///< rows
  const FindState published_;
  std::atomic<std::size_t> open_ = 0;    ///< size of `phases_`
  std::atomic<std::uint64_t> done_ = 0;  ///< `batches_`

  mutable std::mutex mutex_;  ///< guards everything below
  std::condition_variable_any asked_;
  std::condition_variable read_;
  std::deque<Waiting> queue_;  ///< with rows that were taken away
  std::size_t waiting_ = 0;    ///< their number; those with long keys count as several
  /// Of each row that waits or is being read, by hash and database. Two rows with the same hash
  /// count as one: the second is not loaded.
  std::unordered_map<std::uint64_t, Phase> phases_;
  std::uint64_t batches_ = 0;  ///< that were read; the number of the next, or of the one under way
  PrefetchMetrics counters_;
  Worker worker_;  ///< started by the first rows; last: it uses all other members
};

}  // namespace flatkv::block

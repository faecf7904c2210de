// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "base/giving_way.hpp"
#include "base/log.hpp"
#include "base/stopwatch.hpp"
#include "base/worker.hpp"
#include "changelog/writer.hpp"
#include "commit/figures.hpp"
#include "flatkv/store.hpp"
#include "lthash/hashing_share.hpp"
#include "state/poison_latch.hpp"
#include "state/state.hpp"

namespace flatkv::commit {

/// The memtables frozen at one version, and what is written beside their rows
/// (docs/specification.md#flush).
struct FrozenBatch {
  std::int64_t version = 0;
  memtable::Stamp begun = 0;                         ///< its rows are of later commits than this
  memtable::Stamp stamp = 0;                         ///< of that version
  std::shared_ptr<const memtable::DeadRanges> dead;  ///< what was undone; may be null
  std::uint64_t log_bytes = 0;                       ///< appended to the log up to the freeze
  struct Part {
    bool take = false;  ///< this database is behind `version` and gets a table
    std::shared_ptr<const memtable::Memtable> rows;  ///< null if !take
    std::shared_ptr<const LtHash> hash;
    DatabaseStats stats;
  };
  PerDataDatabase<Part> parts;
  bool metadata = false;  ///< all four databases are at `version`: write `_meta/*` too
  bool urgent = false;    ///< for close or a snapshot: does not wait for compaction
  /// Runs after the last ingest and before any later flush: writes the snapshot.
  std::function<void()> afterwards;

  memtable::Reach reach() const noexcept { return {stamp, dead.get()}; }
  bool holds(const std::shared_ptr<const memtable::Memtable>& buffer) const {
    return std::ranges::any_of(parts, [&](const Part& part) { return part.rows == buffer; });
  }
};

/// Writes frozen memtables into the databases on its own thread, one batch after another: syncs the
/// log through the version, then for each data database table → ingest → publish, and the metadata
/// database last. Any failure fails the store, and nothing more is flushed.
class Flusher {
 public:
  struct Setup {
    layout::StoreId store{};  ///< store id that goes into the metadata database
    state::OpenGeneration* lifetime = nullptr;
    state::Published* published = nullptr;
    state::PoisonLatch* fault = nullptr;
    lthash::HashingShare* hashing = nullptr;  ///< gives up a core while a flush runs
    std::uint64_t level0_limit = 0;
    std::uint64_t pending_compaction_limit = 0;
    /// Called after every sync of the log.
    std::function<void()> synced;
    /// Called before every ingest into a data database, with its version.
    std::function<void(std::int64_t)> before_ingest;
    /// Called after every ingest into a data database, before the state without that memtable is
    /// published.
    std::function<void(Database, const FrozenBatch&)> before_publish;
  };
  explicit Flusher(Setup setup);
  ~Flusher() { stop(); }
  Flusher(const Flusher&) = delete;
  Flusher& operator=(const Flusher&) = delete;

  /// Ends the thread after the batch under way; drops the queued ones. The counters can still be
  /// read.
  void stop();

  /// Set it before the first logged batch. Without a log (a clone) nothing is synced.
  void set_log(changelog::Writer* log) { log_.store(log); }

  static constexpr std::size_t kMaxFrozen = 2;

  /// Waits until fewer than `most` batches are queued or running; `store_failed` if the store has
  /// failed.
  Status wait_for_room(std::size_t most = kMaxFrozen);
  bool has_room() const { return waiting() < kMaxFrozen; }
  /// Batches queued or running.
  std::size_t waiting() const;
  void submit(FrozenBatch batch);
  /// Waits until every submitted batch is in the databases. Returns the first failure of the store,
  /// if any.
  Status wait_idle();

  /// Whether a batch is queued or running.
  bool busy() const;
  std::uint64_t flushes() const noexcept { return flushes_.load(); }
  std::uint64_t nanoseconds() const noexcept { return nanoseconds_.load(); }
  FlushMetrics flushed(Database database) const;
  DurationCounts durations() const noexcept { return durations_.read(); }

 private:
  /// On `changed_`, until `done`; what is waited for no longer gives way.
  template <class Done>
  void wait(std::unique_lock<std::mutex>& lock, const Done& done);
  void run(const std::stop_token& stop);
  void run_batch(FrozenBatch& batch) noexcept;
  Status flush(FrozenBatch& batch);
  Status flush_rows(FrozenBatch& batch, Database database);
  Status flush_metadata(const FrozenBatch& batch);
  Status ingest(Database database, const std::string& table);
  void count(Database database, std::uint64_t bytes, const Stopwatch& watch) noexcept;
  void wait_for_compaction();

  Setup setup_;
  GivingWay way_;
  std::atomic<changelog::Writer*> log_{nullptr};
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<FrozenBatch> queue_;
  bool busy_ = false;
  std::atomic<std::uint64_t> flushes_{0};
  std::atomic<std::uint64_t> nanoseconds_{0};
  Durations durations_;
  struct Counters {
    std::atomic<std::uint64_t> tables{0};
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> nanoseconds{0};
  };
  PerDatabase<Counters> counters_;
  Worker worker_;  // last: it uses all other members
};

}  // namespace flatkv::commit

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "base/log.hpp"
#include "block/absent_key_filter.hpp"
#include "block/pending_block.hpp"
#include "changelog/writer.hpp"
#include "commit/flusher.hpp"
#include "commit/group_commit.hpp"
#include "flatkv/store.hpp"
#include "scrub/scrubber.hpp"
#include "state/holds.hpp"
#include "state/poison_latch.hpp"
#include "state/state.hpp"

namespace flatkv::commit {

/// What a core is started with: open databases, where each of them is, and the log (none in a
/// clone).
struct CoreSetup {
  state::Environment environment;
  Options options;
  std::string store;  ///< path, for messages and for the check that it is still there
  layout::Manifest manifest;
  std::shared_ptr<state::OpenGeneration> lifetime;
  std::shared_ptr<const state::State> state;  ///< each database at its own version, empty buffers
  std::optional<std::int64_t> metadata_version;  ///< G; nothing for an empty metadata database
  std::shared_ptr<state::PoisonLatch> fault;  ///< already wired to the databases' background errors
};

/// Moves the changed rows of a block into the active buffers of `state` as of `version`, and counts
/// them in `stats`.
void insert_rows(const state::State& state, const std::array<block::BlockRows, 4>& tables,
                 std::int64_t version, std::array<codec::Stats, 4>& stats);

/// The running store: pending block, published state, log, flusher. The write side belongs to one
/// thread; what is marked so to any, also beside `close` and `retire`.
///
/// Order of a commit, each step only after the one before (docs/recovery.md):
///   room for a buffer → log record (durable in `sync`) → rows into the buffer → state published.
class Core {
 public:
  explicit Core(CoreSetup setup);
  ~Core();

  /// Attaches the log; before that the core replays (`replay_block`) or serves a clone.
  void start_logging(std::unique_ptr<changelog::Writer> log);

  /// Scrubs this store from here on; before anything is replayed, since every block has to pass.
  void scrub_from(scrub::ScrubStart start);
  /// Null where it is not scrubbed.
  scrub::Scrubber* scrubber() const noexcept { return scrubber_.get(); }

  Status apply(std::span<const NamedChangeSet> change_sets);
  Result<Roots> commit(std::int64_t version);
  void discard();
  block::PendingBlock& pending() noexcept { return pending_; }

  /// Replays one logged block on the databases that are behind it. Checks every checksum and, where
  /// all databases are level, the root against its record (docs/specification.md#replay).
  Status replay_block(const changelog::RecordHeader& header, Bytes payload);

  std::shared_ptr<const state::State> state() const { return published_.load(); }
  /// `store_failed` on a closed handle, which has let go of everything that could be read.
  Status check_readable() const;
  /// As `state`, for a user who keeps it: counted as kept by views.
  std::shared_ptr<const state::State> held_state() const;
  /// As `held_state`, but refused with `no_space` above max_view_bytes.
  Result<std::shared_ptr<const state::State>> view_state() const;
  /// Goes on counting what views of the store's last core keep.
  void count_views_of(const Core& last) { holds_ = last.holds_; }

  /// Freezes what is in memory, flushes it and waits. `urgent`: not held up by compaction.
  Status flush(bool urgent);
  /// Flushes at the current version and checkpoints before any later flush; waits for the result.
  Status snapshot();

  /// Waits until nothing runs in the background any more; nothing starts before the next commit.
  Status quiesce();
  /// Another generation took this one's place: background work ends, nothing more is written.
  /// Reads and views go on. Joins threads that run the user's code: never under a lock.
  void stop_background();
  /// After `stop_background`: lets go of the databases; the directory goes with the last view.
  void retire();
  /// Poisons the store. Any thread.
  void poison(Error error) noexcept { setup_.fault->set(std::move(error)); }
  /// Whether the caller is a callback that a thread of this store runs (Options::on_durable).
  bool in_callback() const noexcept { return group_commit_ && group_commit_->in_callback(); }

  /// Everything to disk; leaves CLEAN behind unless something failed. Once.
  Status close();

  std::int64_t durable_version() const noexcept;
  Status wait_durable(std::int64_t version);

  const CoreSetup& setup() const noexcept { return setup_; }
  const state::PoisonLatch& fault() const noexcept { return *setup_.fault; }
  changelog::Writer* log() const noexcept { return log_.get(); }
  /// Null where it is off. For reads of the current state only.
  memtable::RowCache* cache() const noexcept { return cache_.get(); }
  /// Likewise.
  block::RowLookup& row_lookup() noexcept { return row_lookup_; }
  block::AbsentKeyFilter& absent_key_filter() noexcept { return absent_key_filter_; }
  /// Whether something is on its way into the databases.
  bool flushing() const { return flusher_ && flusher_->busy(); }
  /// Any thread.
  StoreMetrics metrics() const;
  /// Of the last commit. Any thread.
  CommitTimings timings() const noexcept {
    const std::lock_guard lock(timings_mutex_);
    return last_timings_;
  }

 private:
  /// Neither failed nor closed; `store_failed` otherwise.
  Status check_usable() const;
  Status write_record(std::int64_t version, const Roots& roots, Digest& chain);
  void publish(std::int64_t version, const Digest& chain, const Roots& roots,
               const std::array<codec::Stats, 4>& stats);
  bool flush_due() const;
  /// Freezes what is due, waiting for the flusher where it must: the back-pressure of commit.
  Status make_room();
  /// Freezes the active buffers at the current version and hands them to the flusher.
  void freeze(bool urgent, std::function<void()> afterwards);
  std::shared_ptr<memtable::Memtable> next_buffer(const memtable::Memtable& last) const;
  void freeze_for_snapshot(std::function<void(Status)> done);
  Status flush_all(bool urgent);
  bool all_frozen() const;
  Status let_go();

  CoreSetup setup_;
  Logger logger_;
  std::shared_ptr<memory::PagePool> pages_;    ///< of write buffers that were flushed
  std::unique_ptr<memtable::RowCache> cache_;  ///< null: off
  block::AbsentKeyFilter absent_key_filter_;
  block::RowLookup row_lookup_;
  state::Published published_;
  std::shared_ptr<state::Holds> holds_ = std::make_shared<state::Holds>();
  block::PendingBlock pending_;
  std::unique_ptr<changelog::Writer> log_;
  std::unique_ptr<GroupCommit> group_commit_;
  std::array<std::int64_t, 4>
      frozen_versions_{};               ///< each database's, once all handed over is flushed
  std::int64_t metadata_version_ = -1;  ///< likewise G; -1 is none
  std::int64_t frozen_at_ = 0;          ///< version and log bytes at the last freeze
  std::uint64_t frozen_log_bytes_ = 0;
  bool snapshot_due_ = false;
  std::atomic<std::uint64_t> ignored_{0};  ///< change sets of the blocks before the pending one
  CommitTimings timings_;                  ///< of the commit under way
  mutable std::mutex timings_mutex_;
  CommitTimings last_timings_;
  std::atomic<bool> closed_{false};
  /// Shared while somebody reads what `let_go` takes away, alone while it does.
  mutable std::shared_mutex ending_;
  std::unique_ptr<scrub::Scrubber> scrubber_;  ///< null: not scrubbed
  std::unique_ptr<Flusher> flusher_;           // last: its thread uses everything above
};

}  // namespace flatkv::commit

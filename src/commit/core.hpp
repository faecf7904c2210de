// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/guard.hpp"
#include "base/log.hpp"
#include "block/absent_key_filter.hpp"
#include "block/pending_block.hpp"
#include "block/prefetcher.hpp"
#include "block/replay_window.hpp"
#include "changelog/writer.hpp"
#include "changes/feed.hpp"
#include "changes/named_cursors.hpp"
#include "commit/figures.hpp"
#include "commit/flusher.hpp"
#include "commit/group_commit.hpp"
#include "commit/overlays.hpp"
#include "commit/recent_states.hpp"
#include "commit/undo_points.hpp"
#include "flatkv/store.hpp"
#include "read/read_view.hpp"
#include "scrub/scrubber.hpp"
#include "state/holds.hpp"
#include "state/poison_latch.hpp"
#include "state/state.hpp"

namespace flatkv::commit {

/// What a core starts with: open databases and the version of each. The log is attached later
/// (`start_logging`); a clone has none.
struct CoreSetup {
  state::Environment environment;
  Options options;
  std::string store;  ///< path, for messages and for the check that it is still there
  layout::Manifest manifest;
  std::shared_ptr<state::OpenGeneration> lifetime;
  std::shared_ptr<const state::State> state;  ///< each database at its own version, empty buffers
  std::optional<std::int64_t> metadata_version;  ///< G; unset for an empty metadata database
  /// Already connected to the databases' background errors.
  std::shared_ptr<state::PoisonLatch> fault;
};

/// Copies the changed rows of a block into the active buffers of `state` under `stamp`, and counts
/// them in `stats`.
void insert_rows(const state::State& state, const block::RowSpans& rows, memtable::Stamp stamp,
                 PerDataDatabase<DatabaseStats>& stats);

/// The running store: pending block, published state, log and flusher. One thread at a time may
/// write. Any thread may call state, readable_state, view_state, check_readable,
/// durable_version, wait_durable, poison, metrics, timings, what is for overlays, and
/// the accessors `setup`, `fault` and `scrubber`, also during `close` and `retire`.
///
/// A commit takes these steps in this order (docs/recovery.md):
///   room for a buffer → log record (durable in `sync`) → rows into the buffer → state published.
class Core {
 public:
  explicit Core(CoreSetup setup);
  ~Core();

  /// Attaches the log. Before that, the core replays (`replay_block`) or serves a clone.
  void start_logging(std::unique_ptr<changelog::Writer> log);

  /// Who follows this core: told of every commit, of what becomes durable, and of failure.
  struct Followed {
    std::shared_ptr<changes::Tap> tap;
    std::shared_ptr<changes::NamedCursors> names;
  };
  /// Call it before the first commit. Any thread.
  void follow(Followed by);

  /// Starts the scrub of this store. Call it before replay, since every block must pass the scrub.
  void scrub_from(scrub::ScrubStart start);
  /// Null if the store is not scrubbed.
  scrub::Scrubber* scrubber() const noexcept { return scrubber_.get(); }

  Status apply(std::span<const NamedChangeSet> change_sets);
  Result<Roots> commit(std::int64_t version);
  /// Commits the blocks of overlays one by one, the last as `version`. The first must stand on the
  /// published state, each other one on the one before. An error after one of them was committed
  /// names the last that was.
  Result<Roots> commit(std::span<const std::shared_ptr<block::OverlayBlock>> blocks,
                       std::int64_t version);
  void discard();
  block::PendingBlock& pending() noexcept { return pending_; }

  // For overlays, on any thread:

  const std::shared_ptr<Overlays>& overlays() const noexcept { return overlays_; }
  /// An empty block; `begin` it.
  std::shared_ptr<block::OverlayBlock> new_overlay_block();
  /// A lookup of the caller's own.
  block::RowLookup lookup() noexcept { return {cache_.get(), &absent_key_filter_, &prefetcher_}; }
  lthash::HashingShare& share() noexcept { return *share_; }
  /// What `apply` refuses before it looks at any pair: a store that is not usable, and what strict
  /// mode forbids.
  Status check_change_sets(std::span<const NamedChangeSet> change_sets, std::int64_t version) const;
  /// Counts the state's buffers as kept by views.
  std::shared_ptr<const state::State> hold(std::shared_ptr<const state::State> state) const;

  /// An empty window for logged blocks. The core outlives it.
  std::unique_ptr<block::ReplayWindow> new_replay_window();
  /// Publishes one logged block, the next one, in the databases that are behind it. Before that it
  /// compares every checksum with the record and, if all databases are level, the root too
  /// (docs/specification.md#replay).
  Status replay_block(const changelog::RecordHeader& header, const block::ReplayedBlock& block);

  /// Runs one of the read functions (read/read_view.hpp) with the pending writes on top. The writer
  /// only, and of a clone its one user.
  template <class Read>
  auto read(Read&& read) -> std::invoke_result_t<Read, const read::Source&> {
    return guarded([&]() -> std::invoke_result_t<Read, const read::Source&> {
      FLATKV_TRY(check_readable());
      const auto state = published_.load();
      return std::forward<Read>(read)(read::Source{{*state}, &pending_, reads_, share_.get()});
    });
  }
  Result<RowIterator> iterate(Database database, const RowRange& range) const;

  std::shared_ptr<const state::State> state() const { return published_.load(); }
  /// `store_failed` if the store is closed, since nothing is left to read; `unsupported` in a
  /// forked child.
  Status check_readable() const;
  /// The same, or the error of `check_readable`.
  Result<std::shared_ptr<const state::State>> readable_state() const;
  /// As `readable_state`, but refused with `no_space` above max_view_bytes.
  Result<std::shared_ptr<const state::State>> view_state() const;
  /// As `view_state`, of the current version or a recent one; `version_mismatch` for any other.
  Result<std::shared_ptr<const state::State>> view_state(std::int64_t version) const;
  /// Continues the counts of what users of the previous core still keep: buffers by views, memory
  /// by overlays. Before any other thread has this core.
  void continue_counts(const Core& last) {
    overlays_->count_with(*last.overlays_);
    holds_ = last.holds_;
    recent_.hold_by(*holds_);
  }

  /// Freezes the active buffers, flushes and waits. `urgent`: does not wait for compaction.
  Status flush(bool urgent);
  /// Flushes at the current version, checkpoints before any later flush, and waits for the result.
  Status snapshot();

  /// Waits until no flush is queued or running; none starts before the next commit.
  Status quiesce();
  /// Undoes the blocks above `version` without touching a table, and drops the pending block. A
  /// flush may run meanwhile. False, and nothing has changed, if that version is above the current
  /// one or below the floor. After an error the store may have failed
  /// (docs/recovery.md#undoing-blocks).
  Result<bool> undo(std::int64_t version);
  /// The lowest version that `undo` can go back to. The writer only.
  std::int64_t floor() const;
  /// Before the first commit.
  void no_undo_below(std::int64_t version) noexcept { floor_ = std::max(floor_, version); }
  /// For a generation that another one has replaced: ends background work, so that nothing more is
  /// written. Reads and views go on. Joins threads that run the user's code, so never call it under
  /// a lock.
  void stop_background();
  /// After `stop_background`: releases the databases; the last view removes the directory.
  void retire();
  /// Poisons the store. Any thread.
  void poison(Error error) noexcept { setup_.fault->set(std::move(error)); }

  /// Writes everything to disk, and CLEAN unless something failed. Closing again does nothing.
  Status close();

  std::int64_t durable_version() const noexcept;
  Status wait_durable(std::int64_t version);

  const CoreSetup& setup() const noexcept { return setup_; }
  const state::PoisonLatch& fault() const noexcept { return *setup_.fault; }
  /// Any thread.
  block::Prefetcher& prefetcher() noexcept { return prefetcher_; }
  block::AbsentKeyFilter& absent_key_filter() noexcept { return absent_key_filter_; }
  /// Whether a flush is queued or running.
  bool flushing() const { return flusher_ && flusher_->busy(); }
  /// Any thread.
  StoreMetrics metrics() const;
  /// Any thread.
  Figures figures() const;
  /// Of the last commit. Any thread.
  CommitTimings timings() const noexcept {
    const std::lock_guard lock(timings_mutex_);
    return last_timings_;
  }

 private:
  /// `store_failed` if the store has failed or is closed; `unsupported` in a forked child.
  Status check_usable() const;
  /// Whether `version` is the one that another `blocks` blocks lead to.
  Status check_next(std::int64_t version, std::int64_t blocks) const;
  /// `overlay`: whose block it is; null for the pending one.
  Result<Roots> commit_block(block::PendingBlock& block, std::int64_t version,
                             block::OverlayBlock* overlay);
  Status write_record(const block::PendingBlock& block, std::int64_t version, const Roots& roots,
                      Digest& chain);
  /// A block whose rows are in the buffers.
  struct Inserted {
    std::int64_t version = 0;
    const Digest& chain;
    const Roots& roots;
    const PerDataDatabase<LtHash>& hashes;
    const PerDataDatabase<DatabaseStats>& stats;
    std::uint64_t ignored = 0;  ///< change sets, besides those of the pending block
  };
  /// `behind` gives the block's change to the rows behind the front of a scrub.
  template <class Behind>
  void publish(const Inserted& block, Behind&& behind);
  Followed followed_by() const;
  /// Tells who follows the store what of the log is durable now, and returns it. Any thread.
  std::int64_t tell_durable();
  Result<std::int64_t> keep_log(const std::string& changelog, std::int64_t wanted) const;
  Status close_names() const;
  bool flush_due() const;
  /// Freezes the buffers if a flush or a snapshot is due, and waits for the flusher if it must: the
  /// back-pressure of commit.
  Status make_room();
  /// Freezes the active buffers at the current version and hands them to the flusher.
  void freeze(bool urgent, std::function<void()> afterwards);
  /// Hands the oldest held batches to the flusher: those that are old enough, as far as it has
  /// room, or all.
  void submit_old();
  void submit_all(bool urgent);
  void submit_first();
  bool is_old(const FrozenBatch& batch) const;
  /// As flush_all, but leaves what can still be undone in memory, and the databases at one version.
  Status flush_old();
  /// How many of the buffers that may be frozen are held, by their bytes: small ones are none.
  std::size_t held_buffers() const;
  std::uint64_t held_bytes() const;
  /// Waits until one more buffer may be frozen.
  Status wait_for_room();
  std::shared_ptr<memtable::Memtable> next_buffer(const memtable::Memtable& last) const;
  void freeze_for_snapshot(std::function<void(Status)> done);
  void count_snapshot(std::int64_t version, bool good, std::uint64_t nanoseconds);
  Status flush_all(bool urgent);
  bool all_frozen() const;
  Status let_go();
  /// As `readable_state`, of any state.
  Result<std::shared_ptr<const state::State>> hold_readable(
      std::shared_ptr<const state::State> state) const;
  /// Drops recent versions as long as they and the views keep more than max_view_bytes. Returns
  /// what is kept afterwards.
  state::Holds::Kept shed_recent() const;
  Status check_view_bytes() const;
  Failure no_such_view(std::int64_t version) const;
  Status prepare_undo();
  Status undo_on_disk(const changelog::UndoMark& mark, const changelog::Tip& tip);
  Result<changelog::Tip> place_of(const UndoPoint& point) const;
  void undo_in_memory(const UndoPoint& point, const changelog::Tip& tip);
  std::vector<FrozenBatch> undo_held(const UndoPoint& point,
                                     const std::shared_ptr<const memtable::DeadRanges>& dead);

  CoreSetup setup_;
  Logger logger_;
  std::shared_ptr<memory::PagePool> pages_;    ///< pages of flushed buffers, for the next ones
  std::unique_ptr<memtable::RowCache> cache_;  ///< null: disabled
  block::AbsentKeyFilter absent_key_filter_;
  std::shared_ptr<lthash::HashingShare> share_;
  state::Published published_;
  block::Prefetcher prefetcher_;
  block::RowLookup reads_;
  std::shared_ptr<state::Holds> holds_ = std::make_shared<state::Holds>();
  mutable RecentStates recent_;
  block::PendingBlock pending_;
  const std::shared_ptr<Overlays> overlays_;
  std::unique_ptr<changelog::Writer> log_;
  std::unique_ptr<GroupCommit> group_commit_;
  PerDataDatabase<std::int64_t>
      frozen_versions_{};               ///< of each database once everything submitted is flushed
  std::int64_t metadata_version_ = -1;  ///< G, likewise; -1 is none
  std::int64_t frozen_at_ = 0;          ///< the version of the last freeze
  memtable::Stamp frozen_stamp_ = 0;    ///< likewise
  std::uint64_t frozen_log_bytes_ = 0;
  bool snapshot_due_ = false;
  std::deque<FrozenBatch> held_;               ///< frozen and too young to be flushed, oldest first
  std::atomic<std::int64_t> shown_floor_ = 0;  ///< for `metrics`
  std::int64_t floor_ = 0;                     ///< of what is on disk or on its way there
  std::int64_t submitted_at_ = 0;              ///< as frozen_at_, of what the flusher has
  PerDatabase<std::int64_t> submitted_versions_{};  ///< likewise; -1 is none
  std::uint64_t submitted_log_bytes_ = 0;
  memtable::Stamp last_stamp_ = 0;
  UndoPoints points_;
  std::uint64_t last_log_bytes_ = 0;  ///< appended up to the published version
  std::optional<changelog::Tip>
      place_;  ///< where the log ends with the published version, if known
  std::atomic<std::uint64_t> ignored_{0};  ///< change sets ignored in blocks before the pending one
  CommitTimings timings_;                  ///< of the commit under way
  PerPhase<Durations> commit_durations_;
  mutable std::mutex timings_mutex_;  ///< guards the next two
  CommitTimings last_timings_;
  SnapshotCounts snapshots_;
  mutable std::mutex followed_mutex_;
  Followed followed_;
  std::atomic<bool> closed_{false};
  /// Held shared while someone reads what `let_go` releases, exclusively by `let_go`.
  mutable std::shared_mutex ending_;
  std::unique_ptr<scrub::Scrubber> scrubber_;  ///< null: not scrubbed
  std::unique_ptr<Flusher> flusher_;           // last: its thread uses the members above
};

/// Runs one of the writer's functions. If the step throws, it is not known how far it came: the
/// store fails and the pending block is dropped.
template <class Step>
auto writer_step(Core& core, Step&& step) noexcept -> decltype(step()) {
  return guarded(std::forward<Step>(step), [&] {
    core.poison(error_of_exception());
    core.discard();
  });
}

}  // namespace flatkv::commit

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/stopwatch.hpp"
#include "base/worker.hpp"
#include "block/scrub_part.hpp"
#include "flatkv/scrub.hpp"
#include "layout/scrub_mark.hpp"
#include "scan/scan.hpp"
#include "state/poison_latch.hpp"
#include "state/state.hpp"

namespace flatkv::scrub {

/// Where a scrub starts, as an open found it.
struct ScrubStart {
  std::optional<layout::ScrubMark> mark;  ///< to continue from; unset to start from the beginning
  std::string anew;  ///< why the scrub does not continue exactly where it was; else empty
};

/// Reads all rows of a running store, slice by slice. At the end of each database it compares the
/// sum with the hash that the commits computed (docs/recovery.md#scrub). Thread-safe. It never
/// fails the store: findings and its own failures are logged, and shown in the status.
class Scrubber {
 public:
  struct Setup {
    fs::FileSystem* files = nullptr;
    std::string generation;
    const state::Published* published = nullptr;
    const state::PoisonLatch* fault = nullptr;
    const Options* options = nullptr;
  };
  Scrubber(Setup setup, ScrubStart start);
  ~Scrubber() { stop(); }
  Scrubber(const Scrubber&) = delete;
  Scrubber& operator=(const Scrubber&) = delete;

  /// The sum that commits fold their blocks into.
  block::ScrubPart& part() noexcept { return part_; }

  /// Call it when all databases are at the published version. Starts the background thread if the
  /// options ask for one.
  void start();
  /// Ends a slice under way and the thread; no slice is read afterwards.
  void stop();

  /// Reads one slice of at most `max_rows` rows, within one database, and saves the progress.
  Result<ScrubStatus> step_by_hand(std::uint64_t max_rows);

  /// Makes sure that SCRUB is at `version` or above: an open after an ingest at `version` cannot
  /// use an older one.
  void before_ingest(std::int64_t version);
  void save_at_close();
  /// Calls `publish`, which publishes the state of an earlier `version` again. Before its next
  /// slice the scrub takes the undone blocks out of its sum.
  void undo(std::int64_t version, const std::function<void()>& publish);

  ScrubStatus status() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Slice {
    rocks::Bounds bounds;
    scan::SliceResult read;
  };

  /// Blocks that were undone while the sum of rows behind `front` had them.
  struct Undone {
    std::shared_ptr<const block::ScrubFront> front;
    std::shared_ptr<const state::State> from;  ///< the last of these blocks
    std::shared_ptr<const state::State> to;    ///< the block below them
  };

  void run(const std::stop_token& stop);
  /// Reads one slice and returns its rows. Requires step_mutex_. After `out_of_memory` the database
  /// is scrubbed from its beginning again.
  Result<std::uint64_t> step(std::uint64_t max_rows);
  Result<std::uint64_t> try_step(std::uint64_t max_rows);
  void forget_front() noexcept;
  /// Brings the sum up to date after undos: replaces the element of each row that the undone blocks
  /// wrote by that of the row below them. Afterwards `undone_` is empty, unless blocks are undone
  /// meanwhile. Requires step_mutex_.
  Status settle();
  static Result<block::ScrubChange> change_of(const Undone& undone);
  /// Settles and holds the part, for as long as nothing is left to settle.
  Result<block::ScrubPart::Held> settled();
  Result<Slice> read_slice(const std::shared_ptr<const state::State>& state,
                           std::uint64_t max_rows);
  /// Moves the front past a slice that was read at `state`. Reads the slice again if that is no
  /// longer the committed state.
  Status take(const std::shared_ptr<const state::State>& state, Slice slice);
  Status judge();
  void give_up(Error error);
  void record(const ScrubFinding& outcome);
  void next_database();
  bool has_something() const;  ///< whether there is progress worth saving
  void save();
  Status write(const layout::ScrubMark& mark);

  const Setup setup_;
  const std::string generation_name_;
  const Logger logger_;
  block::ScrubPart part_;

  std::mutex step_mutex_;  ///< one slice or one save at a time; commits never lock it
  Clock::time_point saved_at_;
  std::int64_t saved_version_ = -1;       ///< of SCRUB on disk; -1 if unknown or there is none
  std::vector<Undone> undone_;            ///< oldest first; guarded by the part's lock
  std::atomic<bool> stale_mark_ = false;  ///< SCRUB may be of undone blocks

  mutable std::mutex status_mutex_;
  /// `status` fills in progress.rows, progress.version, fraction and rows_per_second.
  ScrubStatus status_;
  std::optional<Stopwatch> since_first_step_;

  Worker worker_;  // last: it uses all other members
};

}  // namespace flatkv::scrub

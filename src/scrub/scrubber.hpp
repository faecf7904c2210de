// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/log.hpp"
#include "block/scrub_part.hpp"
#include "flatkv/scrub.hpp"
#include "layout/scrub_mark.hpp"
#include "scan/scan.hpp"
#include "state/poison_latch.hpp"
#include "state/state.hpp"

namespace flatkv::scrub {

/// What an open found of an earlier scrub.
struct ScrubStart {
  std::optional<layout::ScrubMark> mark;  ///< to go on from
  std::string anew;                       ///< why not from the very place where it was
};

/// Reads the rows of a running store again, slice by slice, and compares each database with what
/// the commits believe when it is through with it (docs/recovery.md). Thread-safe. Never fails the
/// store: what it finds, and whatever fails in it, is told and logged.
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

  /// What blocks are folded into.
  block::ScrubPart& part() noexcept { return part_; }

  /// All databases are at the published version from now on; starts the thread, if there is to be
  /// one.
  void start();
  /// Ends a slice under way and the thread; no slice is read any more.
  void stop();

  /// One slice of at most `max_rows` rows, within one database.
  Result<ScrubStatus> step_by_hand(std::uint64_t max_rows);

  /// Brings SCRUB to `version` or above, without which it would not outlive an ingest at it.
  void before_ingest(std::int64_t version);
  void save_at_close();

  ScrubStatus status() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Slice {
    rocks::Bounds bounds;
    scan::SliceResult read;
  };

  void run();
  /// Rows read; needs step_mutex_. After `out_of_memory` the database is begun anew.
  Result<std::uint64_t> step(std::uint64_t max_rows);
  Result<std::uint64_t> try_step(std::uint64_t max_rows);
  void forget_front() noexcept;
  Result<Slice> read_slice(const std::shared_ptr<const state::State>& state,
                           std::uint64_t max_rows);
  /// Moves the front over a slice that was read at `state`; reads it again if that is not the
  /// committed state any more.
  Status take(const std::shared_ptr<const state::State>& state, Slice slice);
  void judge();
  void give_up(Error error);
  void record(const ScrubFinding& outcome);
  void next_database();
  bool has_something() const;  ///< worth a file
  void save();
  Status write(const layout::ScrubMark& mark);

  const Setup setup_;
  const std::string generation_name_;
  const Logger logger_;
  block::ScrubPart part_;

  std::mutex step_mutex_;  ///< one slice, or one save, at a time; never taken by a commit
  Clock::time_point saved_at_;
  std::int64_t saved_version_ = -1;  ///< of SCRUB on disk; -1: not known, or none

  mutable std::mutex status_mutex_;
  ScrubStatus status_;  ///< rows, version and fraction of its progress are filled in when asked
  std::optional<Clock::time_point> first_step_;

  std::atomic<bool> stop_{false};
  std::mutex wait_mutex_;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace flatkv::scrub

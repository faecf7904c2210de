// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "flatkv/store.hpp"
#include "simdisk/oracle.hpp"
#include "simdisk/simdisk.hpp"
#include "state/environment.hpp"
#include "support/checks.hpp"
#include "support/fault_counts.hpp"

// A store on the simulated disk together with the oracle: shared by the tests of the whole store.
namespace flatkv::simdisk {

inline constexpr const char* kStore = "/store";

inline state::Environment environment_of(SimDisk& disk) { return {&disk.files(), disk.env()}; }

/// Small buffers and segments, one thread, no automatic snapshots.
Options sim_options(Durability durability);

/// The store's state as its user knows it: what may be found if it ended now.
struct Progress {
  std::string phase = "create";  ///< what the store is doing
  Place durable;                 ///< survives the loss of power
  Place acked;                   ///< survives the end of the process
  std::int64_t started = 0;      ///< the last version whose commit was started
  std::vector<Place> also;       ///< where an operation under way (rollback, import) leads to

  /// Every place at which the store may be found.
  std::vector<Place> allowed(bool power_lost) const;
};

/// One process with the store open. Remembers the first failure; once the store has failed (or is
/// not open) all operations but `open` do nothing.
class Life {
 public:
  Life(SimDisk& disk, Oracle& oracle, Options options);
  /// Call before `open`: an earlier life left the store at one of these places.
  void resume(const std::vector<Place>& allowed);

  void open();
  /// Commits the next `count` blocks of the oracle's script and checks each.
  void commits(int count);
  void flush();
  void snapshot();
  /// False if it was refused or failed.
  bool rollback(std::int64_t target);
  void close();
  /// Waits until nothing but compactions runs in the background.
  void settle();

  /// Whether the store is open, on a machine that still runs, and has not failed.
  bool running() const;
  bool is_open() const { return store_.has_value(); }
  CommitStore& store() { return *store_; }
  /// Checks a failed store: every write says so, and acknowledged blocks can still be read. `close`
  /// checks this, too.
  void expect_failed_and_readable();
  /// Whether that check ran at least once.
  bool has_failed() const { return has_failed_; }
  /// Checks that nothing has failed: committed state and full scan are the oracle's.
  void expect_right();
  /// The first failure.
  const std::optional<Error>& failure() const { return failure_; }

  Progress progress() const;
  void begin(const std::string& phase);

 private:
  template <class Change>
  void change(Change change) {
    const std::lock_guard guard(mutex_);
    change(progress_);
  }
  void note(const Error& error);
  void commit();

  SimDisk& disk_;
  Oracle& oracle_;
  Options options_;
  std::optional<CommitStore> store_;
  std::uint64_t crashes_;  ///< of the disk at the time of opening
  bool has_failed_ = false;
  std::optional<Error> failure_;
  mutable std::mutex mutex_;
  Progress progress_;
};

/// How opening a store ended.
struct Ending {
  test::Came came = test::Came::recovered;
  Place place;
  OpenReport report;
};

/// Opens what is there: it must be at one of the allowed places, complete, and able to go on.
/// `twice`: it is also closed, and the next open must believe CLEAN.
::testing::AssertionResult recovers(SimDisk& disk, Oracle& oracle, const Options& options,
                                    const std::vector<Place>& allowed, Ending* ending = nullptr,
                                    bool twice = false);

/// A process died here, which leaves names that nobody synced. Opens the store at one of these
/// places, commits a block, with Durability::sync, and cuts the power: the block is there.
::testing::AssertionResult outlasts_power_cut(SimDisk& disk, Oracle& oracle, const Options& options,
                                              const std::vector<Place>& allowed,
                                              Ending* ending = nullptr);

/// Whether the log reaches without a gap from the oldest valid snapshot to a version at or above
/// the lowest of `allowed`. Changes nothing. True if there is no store yet.
::testing::AssertionResult log_covers(SimDisk& disk, const std::vector<Place>& allowed);

/// Every file but LOCK, to see that a refusal changed nothing.
std::map<std::string, Bytes> picture(SimDisk& disk);

}  // namespace flatkv::simdisk

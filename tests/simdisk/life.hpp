#pragma once

#include <gtest/gtest.h>

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "flatkv/store.hpp"
#include "simdisk/oracle.hpp"
#include "simdisk/simdisk.hpp"
#include "store/environment.hpp"
#include "support/checks.hpp"
#include "support/fault_counts.hpp"

// A store on the simulated disk, beside the oracle: what the tests of the whole store share.
namespace flatkv::simdisk {

inline constexpr const char* kStore = "/store";

inline store::Environment environment_of(SimDisk& disk) { return {&disk.files(), disk.env()}; }

/// Small, one thread, and no snapshot of its own accord.
Options sim_options(Durability durability);

/// Where a store stands, as its user knows it: what may be found if it ended now.
struct Progress {
  std::string phase = "create";  ///< what is being done
  Place durable;                 ///< d of the fault matrix: survives the loss of power
  Place acked;                   ///< a: survives the end of the process
  std::int64_t started = 0;      ///< the last version whose commit was started
  std::vector<Place> also;       ///< where an operation under way (rollback, import) leads to

  /// Every place that the store may be found at.
  std::vector<Place> allowed(bool power_lost) const;
};

/// One process with the store open. Whatever fails is remembered; once the store has failed (or is
/// not open) the operations do nothing more, but for `open`.
class Life {
 public:
  Life(SimDisk& disk, Oracle& oracle, Options options);
  /// Before `open`: what was left by an earlier life is at one of these places.
  void resume(const std::vector<Place>& allowed);

  void open();
  /// The next `count` blocks of the oracle's script, with all that must hold of each.
  void commits(int count);
  void flush();
  void snapshot();
  /// False when it was refused or failed.
  bool rollback(std::int64_t target);
  void close();
  /// Nothing runs in the background any more, but for compactions.
  void settle();

  /// Open, on a machine that still runs, and nothing has gone wrong that would fail it.
  bool running() const;
  bool is_open() const { return store_.has_value(); }
  CommitStore& store() { return *store_; }
  /// The store has failed: every write says so, and what was acknowledged is still read. `close`
  /// looks too.
  void expect_failed_and_readable();
  /// That was so, at least once.
  bool has_failed() const { return has_failed_; }
  /// Nothing has failed: committed state and full scan are the oracle's.
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
  std::uint64_t crashes_;  ///< of the disk, when the store was opened
  bool has_failed_ = false;
  std::optional<Error> failure_;
  mutable std::mutex mutex_;
  Progress progress_;
};

/// What became of a store.
struct Ending {
  test::Came came = test::Came::recovered;
  Place place;
  OpenReport report;
};

/// Section 1 of the fault matrix: opens what is there; it must be at one of the allowed places,
/// whole, and go on from there. `twice`: also closed, which must be believed by the next open.
::testing::AssertionResult recovers(SimDisk& disk, Oracle& oracle, const Options& options,
                                    const std::vector<Place>& allowed, Ending* ending = nullptr,
                                    bool twice = false);

/// The log reaches without a gap from the oldest valid snapshot to a version at or above the lowest
/// of `allowed`. Looks only. True where there is no store yet.
::testing::AssertionResult log_covers(SimDisk& disk, const std::vector<Place>& allowed);

/// Every file but LOCK, to see that a refusal changed nothing.
std::map<std::string, Bytes> picture(SimDisk& disk);

}  // namespace flatkv::simdisk

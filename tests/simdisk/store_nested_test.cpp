// SPDX-License-Identifier: Apache-2.0
// Crashes while recovering from a crash, up to five deep, and then an undisturbed open (rows R1,
// W12 and C5 of docs/recovery.md): recovery converges, and no database ever goes back.
//
//   FLATKV_NESTED=n   rounds (60), FLATKV_SEED=n the first seed: one round is a seed
#include <gtest/gtest.h>

#include <iostream>
#include <ranges>

#include "layout/generation.hpp"
#include "simdisk/life.hpp"
#include "state/metadata.hpp"
#include "store/commit_store.hpp"
#include "support/files.hpp"

namespace flatkv::simdisk {
namespace {

using test::below;
using test::Came;
using test::count_fault;
using test::one_in;
using test::Random;

constexpr int kDeepest = 5;

/// A life that leaves much to recover: databases at different versions, several segments, an old
/// snapshot, no clean end.
void script(Life& life) {
  life.open();
  life.commits(3);
  life.snapshot();
  life.commits(2);
  life.flush();
  life.commits(6);
}

struct Versions {
  std::string generation;
  PerDatabase<std::int64_t> at;
};

/// The versions of the five databases; nullopt if one does not open.
std::optional<Versions> versions_of(SimDisk& disk) {
  const auto survey = layout::survey_store(disk.files(), kStore);
  if (!survey) return std::nullopt;
  const auto choice = layout::choose_generation(kStore, *survey);
  if (!choice) return std::nullopt;
  Versions found{choice->name, {}};
  const std::string working = layout::working_path(std::string(kStore) + "/" + choice->name);
  for (const Database which : kAllDatabases) {
    rocks::DbOptions options;
    options.path = layout::database_path(working, which);
    options.which = which;
    options.env = disk.env();
    const auto db = rocks::Db::open(options, rocks::Db::Mode::read_only);
    if (!db) return std::nullopt;
    const auto snapshot = (*db)->snapshot();
    if (!snapshot) return std::nullopt;
    std::int64_t& version = found.at[which];
    if (which == Database::metadata) {
      const auto meta = state::read_global_meta(**snapshot);
      version = meta && *meta ? (*meta)->version : -1;
    } else {
      const auto meta = state::read_data_meta(**snapshot);
      if (!meta || !meta->local) return std::nullopt;
      version = meta->local->version;
    }
  }
  return found;
}

CrashMode any_mode(Random& random) {
  constexpr std::array<CrashMode, 6> kModes = {CrashMode::process,       CrashMode::keep_all,
                                               CrashMode::lose_one,      CrashMode::keep_one,
                                               CrashMode::drop_unsynced, CrashMode::random};
  return kModes[below(random, kModes.size())];
}

class Nested {
 public:
  explicit Nested(std::uint64_t seed)
      : random_(seed),
        oracle_(7),
        options_(sim_options(one_in(random_, 3) ? Durability::process : Durability::sync)) {
    // Makes replay flush on its way, so that several databases advance in steps.
    options_.flush.max_lag_blocks = 2;
  }

  void run() {
    SimDisk disk;
    {
      Options first = options_;
      first.flush.max_lag_blocks = 10'000;
      Life life(disk, oracle_, first);
      disk.crash_at(300 + below(random_, 600), any_mode(random_), random_());
      script(life);
      power_lost_ = disk.crashes() > 0 && disk.last_crash().mode != CrashMode::process;
      progress_ = life.progress();
      if (disk.crashes() == 0) crash(disk);
    }
    for (int depth = 0; depth < kDeepest; ++depth) {
      look(disk);
      const std::uint64_t crashes = disk.crashes();
      disk.crash_at(1 + below(random_, one_in(random_, 2) ? 30 : 250), any_mode(random_),
                    random_());
      auto opened = store::open_commit_store(environment_of(disk), kStore, options_);
      if (disk.crashes() > crashes) {
        ++crashed_in_recovery_;
        power_lost_ |= disk.last_crash().mode != CrashMode::process;
      } else {
        ASSERT_OK(opened);
        // Otherwise what it lost would be what the next ones have to find.
        const std::vector<Place> allowed = progress_.allowed(power_lost_);
        ASSERT_NE(std::ranges::find(allowed, opened->version(), &Place::version), allowed.end())
            << "opened at " << opened->version() << ", durable is " << allowed.front().version;
        // What the open recovered stays.
        progress_.durable = progress_.acked = {progress_.acked.branch, opened->version()};
        progress_.started = opened->version();
        crash(disk);
      }
    }
    look(disk);
    Ending ending;
    ASSERT_TRUE(recovers(disk, oracle_, options_, progress_.allowed(power_lost_), &ending, true));
    count_fault(crashed_in_recovery_ > 0 ? "R1" : "W12", ending.came);
  }
  unsigned crashed_in_recovery() const { return crashed_in_recovery_; }
  unsigned compared() const { return compared_; }

 private:
  void crash(SimDisk& disk) {
    const CrashMode mode = any_mode(random_);
    disk.crash(mode, random_());
    power_lost_ |= mode != CrashMode::process;
  }

  /// After a power cut everything there is durable: from then on no database may go back, unless
  /// another generation has replaced this one.
  void look(SimDisk& disk) {
    const auto now = versions_of(disk);
    if (now && durable_ && now->generation == durable_->generation) {
      ++compared_;
      for (const Database database : kAllDatabases) {
        EXPECT_GE(now->at[database], durable_->at[database]) << to_string(database) << " went back";
      }
    }
    if (disk.crashes() > 0 && disk.last_crash().mode != CrashMode::process) durable_ = now;
  }

  Random random_;
  Oracle oracle_;
  Options options_;
  Progress progress_;
  bool power_lost_ = false;
  std::optional<Versions> durable_;
  unsigned crashed_in_recovery_ = 0;
  unsigned compared_ = 0;  ///< how often all databases could be looked at, and before, too
};

TEST(StoreNested, CrashesWhileRecovering) {
  const std::uint64_t rounds = test::environment("FLATKV_NESTED", 60);
  const std::uint64_t first = test::environment("FLATKV_SEED", 4711);
  unsigned nested = 0;
  unsigned compared = 0;
  for (std::uint64_t seed = first; seed < first + rounds; ++seed) {
    SCOPED_TRACE("again with FLATKV_NESTED=1 FLATKV_SEED=" + std::to_string(seed));
    Nested round(seed);
    round.run();
    nested += round.crashed_in_recovery();
    compared += round.compared();
    if (HasFailure()) return;
  }
  std::cout << rounds << " rounds, " << nested << " crashes within recoveries, databases compared "
            << compared << " times\n";
  if (rounds >= 10) {
    EXPECT_GT(nested, rounds) << "hardly a crash within a recovery";
    EXPECT_GT(compared, rounds) << "whether a database went back was hardly looked at";
  }
}

/// The process ends with the log's tail only in memory; the next open makes it durable. The power
/// may go at any step from then on: once the open has returned, the tail stays.
TEST(StoreNested, ATailThatWasTakenOverStaysWhenThePowerGoes) {
  Oracle oracle(11);
  const Options options = sim_options(Durability::process);
  SimDisk disk;
  Life life(disk, oracle, options);
  life.open();
  life.commits(2);
  life.flush();
  life.commits(4);
  const Place tip = life.progress().acked;
  disk.crash(CrashMode::process);
  life.close();

  // At every operation of the open: until it returns, the tail may or may not be there.
  std::vector<std::unique_ptr<SimDisk>> moments;
  disk.watch([&](Operation, const std::string&) { moments.push_back(disk.clone()); });
  {
    auto opened = store::open_commit_store(environment_of(disk), kStore, options);
    ASSERT_OK(opened);
    EXPECT_EQ(opened->version(), tip.version);
    disk.watch({});
    for (const CrashMode mode : {CrashMode::drop_unsynced, CrashMode::random}) {
      const auto after = disk.clone();
      after->crash(mode, 3);
      EXPECT_TRUE(recovers(*after, oracle, options, {tip}));
      count_fault("C5", Came::recovered);
    }
  }
  const std::vector<Place> allowed = life.progress().allowed(true);
  ASSERT_GT(moments.size(), 20U);
  for (std::size_t i = 0; i < moments.size(); ++i) {
    SCOPED_TRACE("operation " + std::to_string(i) + " of the open");
    moments[i]->crash(i % 2 == 0 ? CrashMode::drop_unsynced : CrashMode::random, i);
    Ending ending;
    ASSERT_TRUE(recovers(*moments[i], oracle, options, allowed, &ending));
    count_fault("W12", ending.came);
  }
}

}  // namespace
}  // namespace flatkv::simdisk

// SPDX-License-Identifier: Apache-2.0
// The whole store on the simulated disk, with a fault at every operation that changes it: the power
// goes in several ways, the process ends, the operation fails once or from then on, or the disk is
// full from then on. What is left must be one of the places that Progress allows.
//
//   FLATKV_LOOP=all   every operation and more seeds, not a selection
//   FLATKV_PART=I/N   every Nth operation
//   FLATKV_LOOP_N=n   one operation only, FLATKV_LOOP_ACTION=name one action only
//   FLATKV_SEED=n     another script and other losses
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <iostream>

#include "simdisk/moments.hpp"
#include "support/files.hpp"

namespace flatkv::simdisk {
namespace {

using test::Came;
using test::count_fault;

bool whole_loop() {
  const char* value = std::getenv("FLATKV_LOOP");
  return value != nullptr && std::string_view(value) == "all";
}
std::uint64_t only_n() { return test::environment("FLATKV_LOOP_N", 0); }
bool wanted(std::string_view action) {
  const char* only = std::getenv("FLATKV_LOOP_ACTION");
  return only == nullptr || action == only;
}
std::uint64_t seed() { return test::environment("FLATKV_SEED", 20'251'125); }

/// Everything that a store does in a life: every kind of block, flushes of some databases and of
/// all, snapshots that prune, a rollback, another branch, a clean and an unclean end.
void script(Life& life) {
  life.open();
  life.commits(3);
  life.flush();
  life.commits(3);
  life.snapshot();  // at 6
  life.commits(3);
  life.snapshot();  // at 9: drops the first, at 0, and the beginning of the log
  life.commits(1);
  life.rollback(7);
  life.commits(2);  // 8 and 9 of the other branch
  life.expect_right();
  life.close();
  life.open();
  life.commits(2);
  life.flush();
  life.commits(1);
  life.expect_right();
  life.close();
}
constexpr std::uint64_t kFewestOperations = 1200;

/// Sites that must be hit, however the script changes.
constexpr const char* kSites[] = {"append CLEAN",
                                  "append CURRENT",
                                  "append MANIFEST.json",
                                  "append SNAPSHOT",
                                  "append log",
                                  "append manifest",
                                  "append table",
                                  "create log",
                                  "link table",
                                  "mkdir directory",
                                  "rename CLEAN",
                                  "rename CURRENT",
                                  "rename log",
                                  "rename directory",
                                  "rename manifest",
                                  "rmdir directory",
                                  "sync CLEAN",
                                  "sync CURRENT",
                                  "sync MANIFEST.json",
                                  "sync SNAPSHOT",
                                  "sync log",
                                  "sync manifest",
                                  "sync table",
                                  "unlink CLEAN",
                                  "unlink SNAPSHOT",
                                  "sync-directory directory",
                                  "unlink log",
                                  "unlink table"};

std::string again(std::uint64_t n, std::string_view action) {
  return "again with FLATKV_SEED=" + std::to_string(seed()) +
         " FLATKV_LOOP_N=" + std::to_string(n) + " FLATKV_LOOP_ACTION=" + std::string(action);
}

/// Chooses operations: all of them, or every `stride`th plus the first of each site and phase.
class Choice {
 public:
  Choice(std::uint64_t stride, unsigned first)
      : stride_(whole_loop() ? 1 : stride), first_(first) {}
  bool takes(std::uint64_t n, const std::string& site) {
    if (only_n() != 0) return n == only_n();
    if (!part_.has(n)) return false;
    return ++taken_[site] <= first_ || n % stride_ == 0;
  }

 private:
  std::uint64_t stride_;
  unsigned first_;
  test::Part part_ = test::part_of_cases();
  std::map<std::string, unsigned> taken_;
};

/// Runs the script once and keeps the disk at the chosen moments. Returns the number of operations.
std::uint64_t record(Oracle& oracle, const Options& options, Choice choice,
                     std::vector<Moment>& moments) {
  SimDisk disk;
  Life life(disk, oracle, options);
  std::uint64_t n = 0;
  disk.watch([&](Operation operation, const std::string& path) {
    ++n;
    Progress progress = life.progress();
    const std::string site = site_of(operation, path);
    Sites::all().seen(site);
    if (!choice.takes(n, site + progress.phase)) return;
    moments.push_back({n, operation, path, std::move(progress), disk.clone()});
  });
  script(life);
  disk.watch({});
  EXPECT_FALSE(life.failure()) << life.failure()->to_string();
  return n;
}

struct Crash {
  const char* name;
  CrashMode mode;
  std::uint64_t seeds;  ///< in the short loop
};
constexpr Crash kCrashes[] = {{"process", CrashMode::process, 1},
                              {"keep_all", CrashMode::keep_all, 1},
                              {"drop_unsynced", CrashMode::drop_unsynced, 1},
                              {"random", CrashMode::random, 2},
                              {"lose_one", CrashMode::lose_one, 1},
                              {"keep_one", CrashMode::keep_one, 1}};

void crash_everywhere(Durability durability, const Choice& choice) {
  Oracle oracle(seed());
  const Options options = sim_options(durability);
  std::vector<Moment> moments;
  const std::uint64_t operations = record(oracle, options, choice, moments);
  EXPECT_GT(operations, kFewestOperations) << "the script does less than it did";
  std::uint64_t cases = 0;
  std::uint64_t rebuilt = 0;
  for (const Moment& moment : moments) {
    for (const Crash& crash : kCrashes) {
      if (!wanted(crash.name)) continue;
      // Names can be lost in more ways than pages.
      const bool names = moment.operation >= Operation::make_directory;
      const std::uint64_t seeds = crash.seeds * (whole_loop() ? 4 : 1) * (names ? 2 : 1);
      for (std::uint64_t i = 0; i < (crash.mode >= CrashMode::random ? seeds : 1); ++i) {
        const auto disk = moment.disk->clone();
        disk->crash(crash.mode, seed() + moment.n * 131 + i);
        const bool power_lost = crash.mode != CrashMode::process;
        const std::vector<Place> allowed = moment.progress.allowed(power_lost);
        Ending ending;
        if (!power_lost && durability == Durability::sync) {
          ASSERT_TRUE(outlasts_power_cut(*disk->clone(), oracle, options, allowed))
              << moment.name() << "\n"
              << again(moment.n, crash.name);
        }
        const auto covered = log_covers(*disk, allowed);
        const auto right = recovers(*disk, oracle, options, allowed, &ending, ++cases % 16 == 0);
        ASSERT_TRUE(covered) << moment.name() << "\n" << again(moment.n, crash.name);
        ASSERT_TRUE(right) << moment.name() << "\n" << again(moment.n, crash.name);
        rebuilt += ending.came == Came::rebuilt ? 1 : 0;
        Sites::all().hit(site_of(moment.operation, moment.path));
        const bool other_branch = !moment.progress.acked.branch.empty();
        count_fault(other_branch && moment.progress.phase == "commit"
                        ? "B3"
                        : row_of(moment.progress.phase, moment.operation, moment.path, false),
                    ending.came);
      }
    }
  }
  if (only_n() == 0 && test::part_of_cases().whole() && durability == Durability::sync) {
    EXPECT_TRUE(Sites::all().missed().empty())
        << *Sites::all().missed().begin() << " was never hit";
    for (const char* site : kSites) EXPECT_GT(Sites::all().hits(site), 0U) << site;
  }
  std::cout << operations << " operations, " << cases << " crashes, " << rebuilt
            << " working copies rebuilt\n";
}

TEST(StoreLoop, CrashAtEveryOperationSync) { crash_everywhere(Durability::sync, {29, 1}); }
TEST(StoreLoop, CrashAtEveryOperationProcess) { crash_everywhere(Durability::process, {47, 0}); }
TEST(StoreLoop, CrashAtEveryOperationGroup) { crash_everywhere(Durability::group, {53, 0}); }

struct Failing {
  const char* name;
  int error;
  bool once;
};
constexpr Failing kFailures[] = {
    {"error_once", EIO, true}, {"error_always", EIO, false}, {"full", ENOSPC, false}};

/// Runs the script with a failing operation. Returns false if it has fewer than `n` operations.
bool fail_at(std::uint64_t n, const Failing& how, Oracle& oracle, const Options& options,
             std::uint64_t case_number) {
  SimDisk disk;
  Life life(disk, oracle, options);
  std::uint64_t count = 0;
  std::string site;
  Moment moment;
  disk.watch([&](Operation operation, const std::string& path) {
    if (++count != n) return;
    moment = {n, operation, path, life.progress(), nullptr};
    if (how.error == ENOSPC) {
      disk.set_capacity(disk.used());
    } else {
      disk.inject({.error = how.error, .nth = 1, .times = how.once ? 1U : 0U});
    }
  });
  script(life);
  if (count < n) return false;
  disk.watch({});
  const Progress progress = life.progress();
  disk.clear_faults();
  disk.set_capacity(~std::uint64_t{0});

  const std::string_view row = row_of(moment.progress.phase, moment.operation, moment.path, true);
  if (life.has_failed()) count_fault(row, Came::failed);
  for (const Crash& crash : kCrashes) {
    // Each crash for some cases; the process that just ends (nothing written is lost) for all.
    if (crash.mode != CrashMode::process && !whole_loop() && only_n() == 0 &&
        case_number % 5 != static_cast<std::uint64_t>(crash.mode) - 1) {
      continue;
    }
    const auto after = disk.clone();
    after->crash(crash.mode, seed() + n);
    Ending ending;
    const auto right = recovers(*after, oracle, options,
                                progress.allowed(crash.mode != CrashMode::process), &ending);
    EXPECT_TRUE(right) << moment.name() << " then " << crash.name << "\n"
                       << (life.failure() ? life.failure()->to_string() : "nothing failed") << "\n"
                       << again(n, how.name);
    count_fault(how.error == ENOSPC ? "N1" : row, ending.came);
  }
  Sites::all().hit(site_of(moment.operation, moment.path));
  return true;
}

void fail_everywhere(Durability durability, std::uint64_t stride) {
  Oracle oracle(seed());
  const Options options = sim_options(durability);
  std::uint64_t cases = 0;
  for (const Failing& how : kFailures) {
    if (!wanted(how.name)) continue;
    const test::Part part = test::part_of_cases();
    const std::uint64_t step = part.count * (whole_loop() ? 1 : stride);
    std::uint64_t n =
        only_n() != 0 ? only_n() : part.index + cases % step / part.count * part.count;
    while (fail_at(n, how, oracle, options, cases) && !::testing::Test::HasFailure()) {
      ++cases;
      n += step;
      if (only_n() != 0) break;
    }
    if (only_n() == 0) {
      EXPECT_GT(n, kFewestOperations) << "the script does less than it did";
    }
    if (::testing::Test::HasFailure()) return;
  }
  std::cout << cases << " failing operations\n";
}

TEST(StoreLoop, FailureOfEveryOperationSync) { fail_everywhere(Durability::sync, 23); }
TEST(StoreLoop, FailureOfEveryOperationGroup) { fail_everywhere(Durability::group, 71); }

}  // namespace
}  // namespace flatkv::simdisk

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>

#include "simdisk/moments.hpp"
#include "store/commit_store.hpp"

namespace flatkv::simdisk {

/// The long form: every case, of which the short run takes a part.
inline bool all_cases() {
  const char* value = std::getenv("FLATKV_LOOP");
  return value != nullptr && std::string_view(value) == "all";
}

class StoreRows : public ::testing::Test {
 protected:
  /// A copy of the disk after the crash.
  static std::unique_ptr<SimDisk> crashed(const SimDisk& disk, CrashMode mode,
                                          std::uint64_t seed = 0) {
    auto after = disk.clone();
    after->crash(mode, seed);
    return after;
  }

  /// Crashes here in each way; each must lead to one of these places.
  void crash_here(SimDisk& disk, const Life& life, std::string_view row) {
    for (const CrashMode mode :
         {CrashMode::process, CrashMode::keep_all, CrashMode::drop_unsynced, CrashMode::random}) {
      SCOPED_TRACE("crash mode " + std::to_string(static_cast<int>(mode)));
      const auto after = crashed(disk, mode, ++seed_);
      Ending ending;
      ASSERT_TRUE(recovers(*after, oracle_, options_,
                           life.progress().allowed(mode != CrashMode::process), &ending));
      test::count_fault(row, ending.came);
    }
  }

  /// What a crash of this mode left opens at one of these places. Where only the process died, the
  /// power that goes after the next block takes nothing, either.
  ::testing::AssertionResult comes_back(SimDisk& after, CrashMode mode,
                                        const std::vector<Place>& allowed, Ending& ending) {
    if (mode == CrashMode::process) {
      const auto kept = outlasts_power_cut(*after.clone(), oracle_, options_, allowed);
      if (!kept) return kept;
    }
    return recovers(after, oracle_, options_, allowed, &ending);
  }

  /// Crashes at every operation of opening this disk.
  void crash_the_open(const SimDisk& disk, const std::vector<Place>& allowed, std::string_view row,
                      std::size_t fewest) {
    const auto whole = disk.clone();
    const std::vector<Moment> moments = moments_of(*whole, [&] {
      ASSERT_OK(store::open_commit_store(environment_of(*whole), kStore, options_));
    });
    ASSERT_GT(moments.size(), fewest);
    const std::size_t step = all_cases() ? 1 : 1 + moments.size() / 16;
    for (std::size_t i = 0; i < moments.size(); i += step) {
      for (const CrashMode mode :
           {CrashMode::process, CrashMode::drop_unsynced, CrashMode::random}) {
        SCOPED_TRACE(moments[i].name());
        const auto after = crashed(*moments[i].disk, mode, ++seed_);
        Ending ending;
        ASSERT_TRUE(comes_back(*after, mode, allowed, ending));
        Sites::all().hit(site_of(moments[i].operation, moments[i].path));
        test::count_fault(row, ending.came);
      }
    }
  }

  /// Checks that opening fails with this code and changes nothing; returns the message.
  static std::string refused(SimDisk& disk, const Options& options, ErrorCode code) {
    const auto before = picture(disk);
    const auto opened = store::open_commit_store(environment_of(disk), kStore, options);
    EXPECT_TRUE(test::fails(opened, code));
    EXPECT_TRUE(picture(disk) == before) << "a refused open changed something";
    return opened ? "" : opened.error().to_string();
  }

  static Fault lie(Operation operation, std::string contains) {
    Fault fault;
    fault.operation = operation;
    fault.contains = std::move(contains);
    fault.error = 0;
    fault.times = 0;
    return fault;
  }
  static void lie_about(SimDisk& disk, const std::string& contains) {
    disk.inject(lie(Operation::sync, contains));
    disk.inject(lie(Operation::sync_directory, contains));
  }

  SimDisk disk_;
  Oracle oracle_{2};
  Options options_ = sim_options(Durability::sync);
  std::uint64_t seed_ = 1000;
};

}  // namespace flatkv::simdisk

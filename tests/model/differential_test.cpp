// SPDX-License-Identifier: Apache-2.0
// Two stores with extreme options must agree. FLATKV_SEED repeats a run (the seed is printed),
// FLATKV_DIFFERENTIAL_STEPS makes it longer.
#include <gtest/gtest.h>

#include <iostream>

#include "support/files.hpp"
#include "support/random_blocks.hpp"
#include "support/random_runs.hpp"
#include "two_stores.hpp"

namespace flatkv::test {
namespace {

constexpr std::uint64_t kStepsOfARun = 150;

TEST(Differential, TwoStoresWithExtremeOptionsAgree) {
  const std::uint64_t first = environment("FLATKV_SEED", 20'260'000);
  const std::uint64_t steps = environment("FLATKV_DIFFERENTIAL_STEPS", 3'000);
  if (!run_from_seed<TwoStores>(first, "FLATKV_DIFFERENTIAL_STEPS", steps, kStepsOfARun)) return;
  std::cout << steps << " steps from FLATKV_SEED=" << first << "\n";
  for (const auto& [what, count] : done_counts())
    std::cout << "  " << what << ": " << count << "\n";
  if (steps < 3'000) return;
  for (const char* what :
       {"the last version", "no space for a view", "a recent version", "no space for an overlay",
        "a branch", "a branch by hand", "undo", "rollback", "rollback by path", "out of reach",
        "import over a store", "read-only", "blocks compared", "gaps", "undos told",
        "streams compared"}) {
    EXPECT_GT(done_counts()[what], 0) << what << " was never done";
  }
}

}  // namespace
}  // namespace flatkv::test

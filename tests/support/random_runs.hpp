// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <string>

namespace flatkv::test {

/// Lets runs follow one another, `Run(seed).go(steps)` with ascending seeds and at most `each`
/// steps, until there were `steps` in all. False after one that failed, which says how to repeat
/// it: by FLATKV_SEED and `variable`, the one that gives the number of steps.
template <class Run>
bool run_from_seed(std::uint64_t first, const char* variable, std::uint64_t steps,
                   std::uint64_t each) {
  for (std::uint64_t done = 0, seed = first; done < steps; done += each, ++seed) {
    SCOPED_TRACE("FLATKV_SEED=" + std::to_string(seed));
    Run(seed).go(std::min(each, steps - done));
    if (testing::Test::HasFailure()) {
      std::cerr << "repeat with FLATKV_SEED=" << seed << " " << variable << "=" << each << "\n";
      return false;
    }
  }
  return true;
}

}  // namespace flatkv::test

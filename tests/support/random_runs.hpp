// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iostream>
#include <string>
#include <utility>

namespace flatkv::test {

/// The last steps of a random run, for whoever has to understand its failure.
class LastSteps {
 public:
  void add(std::string name, std::int64_t version) {
    constexpr std::size_t kKept = 30;
    steps_.push_back(std::move(name) + "@" + std::to_string(version));
    if (steps_.size() > kKept) steps_.pop_front();
  }
  void tell() const {
    std::cerr << "last steps:";
    for (const std::string& step : steps_) std::cerr << " " << step;
    std::cerr << "\n";
  }

 private:
  std::deque<std::string> steps_;
};

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

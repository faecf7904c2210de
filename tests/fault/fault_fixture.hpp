// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fault/fault_table.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {

inline constexpr std::uint64_t kFaultSeed = 31;

/// Stores to make faults in, built once for the program.
struct Prepared {
  TempDir directory;
  std::string closed = directory.path("closed");
  std::string killed = directory.path("killed");
  std::string older = directory.path("older");
  std::string older_killed = directory.path("older-killed");
  std::string other = directory.path("other");
  std::string stranger = directory.path("stranger");
  std::string longer_stranger = directory.path("longer-stranger");
  std::vector<State> states;  ///< the model at every version

  Prepared();
};
const Prepared& prepared();

Options fault_options();

/// Of a `tree_difference`, what is not the databases' own doing: a refusal by the replay comes
/// after they were opened, and may come after blocks that were right were flushed.
std::string beyond_replay(const std::string& difference);

/// Opens a store with a fault in it; the outcome must be this one.
::testing::AssertionResult comes_to(const std::string& store, const Fault& fault);

}  // namespace flatkv::test

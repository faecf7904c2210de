// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fault/fault_table.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {

inline constexpr std::uint64_t kFaultSeed = 31;

/// Stores in which to make faults, built once per program.
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

/// The part of a `tree_difference` that the databases did not cause themselves: a refusal by the
/// replay comes after they were opened, and possibly after valid blocks were flushed.
std::string beyond_replay(const std::string& difference);

/// Opens a store with a fault in it and checks the outcome.
::testing::AssertionResult comes_to(const std::string& store, const Fault& fault);

}  // namespace flatkv::test

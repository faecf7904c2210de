// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flatkv {

/// More threads than this are a mistake, whatever the machine.
inline constexpr std::uint32_t kMostThreads = 1024;

/// What this process may use: what the machine has, or less where its control groups say so.
/// Everything that asks for memory or threads in proportion to the machine asks here: in a
/// container the machine's own figures are the host's, and who believes them is killed or
/// throttled.
struct Machine {
  std::uint64_t memory = 0;  ///< bytes
  std::string memory_from;   ///< "the machine", or the file that sets the limit
  unsigned cores = 1;        ///< rounded up where the quota is not whole
  std::string cores_from;    ///< likewise, or "the affinity"
};

/// Reads it anew. Control groups of version 1 and 2 count, with all groups above; what cannot be
/// read does not limit. `root` stands before every path (tests).
Machine look_at_machine(const std::string& root = "");

/// The directory of this process's control group, then those of the groups above it, as far as they
/// are to be seen from here; none where there is no such hierarchy. `controller` is one of version
/// 1; empty means version 2.
std::vector<std::string> control_groups(const std::string& root, std::string_view controller);

/// As it was at the first call.
const Machine& machine();

}  // namespace flatkv

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "support/model.hpp"
#include "support/random_blocks.hpp"

// Short lives of a store, each ending with a close, for a child that is stopped at a failpoint.
namespace flatkv::test {

inline constexpr std::uint64_t kScriptSeed = 23;
inline constexpr std::int64_t kPreparedVersion = 24;
inline const Pools kScriptPools{10, 10, 20, 40};

std::vector<std::string> section_names();

/// Makes the closed store that the section starts from (for "create": none). `base` is a closed
/// store of kPreparedVersion blocks with two snapshots, made by `prepare_base`.
void prepare_section(const std::string& name, const std::string& base, const std::string& store);
void prepare_base(const std::string& base);

/// The model at every version that the sections can reach.
const State& script_state(std::int64_t version);

}  // namespace flatkv::test

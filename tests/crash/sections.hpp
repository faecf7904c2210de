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
inline constexpr std::int64_t kUndoneVersion = 26;  ///< where the section "undo left" begins
inline const Pools kScriptPools{10, 10, 20, 40};

/// The versions that were undone to, ascending. Above each of them the blocks are other ones, so
/// that a mix of branches is no state of the script.
using Undos = std::vector<std::int64_t>;

std::vector<std::string> section_names();

/// Makes the closed store that the section starts from (for "create": none). `base` is a closed
/// store of kPreparedVersion blocks with two snapshots, made by `prepare_base`.
void prepare_section(const std::string& name, const std::string& base, const std::string& store);
void prepare_base(const std::string& base);

/// The undos of which the prepared store of a section has the mark.
Undos undos_before(const std::string& section);

/// The blocks of the sections, and the model at every version that they can reach.
std::vector<Changes> section_block(const Undos& undos, std::int64_t version);
const State& section_state(const Undos& undos, std::int64_t version);

}  // namespace flatkv::test

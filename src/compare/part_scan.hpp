// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "compare/digest_builder.hpp"
#include "flatkv/tools/spread.hpp"

namespace flatkv {

/// The rows of the part as one run, or none, and what the sums of its subtrees count that the
/// state's hash leaves out.
struct PartScan::Part::Ranges {
  LtHash empties;
  std::uint64_t leaf_rows = 1;
  std::optional<compare::Run> run;
};

namespace compare {

/// The most parts that a state is divided into.
inline constexpr std::uint32_t kMostParts = 1U << 16;

/// `invalid_argument` unless 1 ≤ index ≤ of ≤ kMostParts.
Status check_part(PartOf part);

/// The first key of part `index` + 1 of `of`, 1 ≤ index < of, in a database with these first and
/// last keys (both empty: without rows). It lies where their first eight bytes in which they differ
/// are cut in `of` equal steps; so cuts ascend, and two of them are equal where keys are too close.
Bytes cut(ByteView first, ByteView last, std::uint32_t index, std::uint32_t of);

/// The lattice hash of the rows: without the elements of those that have no value.
LtHash hash_of(const PartScan::Part::Ranges& ranges);

}  // namespace compare
}  // namespace flatkv

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>

#include "flatkv/options.hpp"
#include "support/random_blocks.hpp"

namespace flatkv::test {

inline constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
inline constexpr std::uint32_t kMost32 = std::numeric_limits<std::uint32_t>::max();
inline constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();

/// Each option at an end of its range, or at what is least usual.
Options extreme_options(Random& random);
/// The same with one value that is out of its range.
Options refused_options(Random& random);

}  // namespace flatkv::test

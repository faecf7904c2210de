// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>

#include "lthash/hashing_share.hpp"

namespace flatkv::lthash {

/// Calls `step` once with each number below `count`, on this thread and on those that the share may
/// use, in no particular order. Returns when all calls have. Throws what a call threw; the numbers
/// that nobody had taken by then are left out.
void run_parts(HashingShare& share, std::size_t count,
               const std::function<void(std::size_t)>& step);

}  // namespace flatkv::lthash

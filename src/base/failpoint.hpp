// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"

/// Named places between durable steps where tests inject faults. Without FLATKV_FAILPOINTS the
/// macro is an empty statement and no name reaches the binary.
///
/// The environment can arm sites:
/// FLATKV_FAILPOINT="name[@nth]=kill|exit|error|enospc|sleep:MS[;...]". It is read once, at the
/// first hit; a text that does not parse aborts the process.
#ifdef FLATKV_FAILPOINTS

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace flatkv::failpoint {

/// Runs the armed action of `name`, if any; returns its injected error. Counts the hit either way.
Status hit(std::string_view name);

/// Arms `name`: `action` runs at its `nth` hit from now (1 is the next) and at the following ones,
/// `times` times in all (0: without limit).
void arm(std::string name, std::function<Status()> action, unsigned nth = 1, unsigned times = 1);
void disarm_all();

/// Hits of each site since the process started or the last `reset_counts`.
std::map<std::string, std::uint64_t, std::less<>> counts();
void reset_counts();
}  // namespace flatkv::failpoint

#define FLATKV_FAILPOINT(name) FLATKV_TRY(::flatkv::failpoint::hit(name))

#else

#define FLATKV_FAILPOINT(name) static_cast<void>(0)

#endif

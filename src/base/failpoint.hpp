#pragma once

#include "base/error.hpp"

/// Named places between durable steps where tests inject faults. In a build without
/// FLATKV_FAILPOINTS the macro is an empty statement and no name reaches the binary.
#ifdef FLATKV_FAILPOINTS

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace flatkv::failpoint {

/// Runs the armed action of `name`, if any; returns its injected error. Counts the hit either way.
Status hit(std::string_view name);

/// Arms `name`: from its `nth` hit on (1 is the next), `times` times (0: for ever), `action` runs.
void arm(std::string name, std::function<Status()> action, unsigned nth = 1, unsigned times = 1);
void disarm_all();

/// Hits of each site since the process started or the last `reset_counts`.
std::map<std::string, std::uint64_t, std::less<>> counts();
void reset_counts();

/// FLATKV_FAILPOINT="name[@nth]=kill|exit|error|enospc|sleep:MS[;...]" arms sites from the
/// environment; read once, at the first hit. Aborts on a specification that it cannot read.
}  // namespace flatkv::failpoint

#define FLATKV_FAILPOINT(name) FLATKV_TRY(::flatkv::failpoint::hit(name))

#else

#define FLATKV_FAILPOINT(name) static_cast<void>(0)

#endif

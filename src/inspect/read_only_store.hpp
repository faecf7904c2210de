// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "flatkv/tools/inspect.hpp"
#include "state/environment.hpp"

namespace flatkv::inspect {

/// ReadOnlyStore::open in a given environment.
Result<ReadOnlyStore> open_read_only(const state::Environment& environment,
                                     const std::string& store, const ReadOnlyOptions& options);

}  // namespace flatkv::inspect

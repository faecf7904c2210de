// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "flatkv/inspect.hpp"
#include "store/environment.hpp"

namespace flatkv::history {

/// ReadOnlyStore::open on a given environment.
Result<ReadOnlyStore> open_read_only(const store::Environment& environment,
                                     const std::string& store, const ReadOnlyOptions& options);

}  // namespace flatkv::history

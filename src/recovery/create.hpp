// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "flatkv/options.hpp"
#include "layout/generation.hpp"
#include "state/environment.hpp"

namespace flatkv::recovery {

/// Makes generation 1 of an empty store in `store` (a new or empty directory), whose lock the
/// caller holds: a snapshot of the empty state and a working copy at initial version − 1, and a log
/// with that base. Durable on return.
Status create_generation(const state::Environment& environment, const std::string& store,
                         const CreateOptions& options);

/// Makes the directory if it is not there, takes the lock and creates; `invalid_argument` where a
/// store is already.
Status create_store(const state::Environment& environment, const std::string& store,
                    const CreateOptions& options);

/// 16 random bytes.
Result<layout::StoreId> new_store_id();

}  // namespace flatkv::recovery

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "flatkv/options.hpp"
#include "layout/generation.hpp"
#include "state/environment.hpp"

namespace flatkv::recovery {

/// Creates generation 1 in `store`, a new or empty directory whose lock the caller holds: a
/// snapshot and a working copy of the empty state at initial version − 1, and a log with that base.
/// Durable on return.
Status create_generation(const state::Environment& environment, const std::string& store,
                         const CreateOptions& options);

/// Creates the directory if necessary, takes the lock and creates the store; `invalid_argument` if
/// there is a store already.
Status create_store(const state::Environment& environment, const std::string& store,
                    const CreateOptions& options);

/// 16 random bytes.
Result<layout::StoreId> new_store_id();

}  // namespace flatkv::recovery

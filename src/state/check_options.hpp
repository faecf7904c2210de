// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "flatkv/digest.hpp"
#include "flatkv/inspect.hpp"
#include "flatkv/options.hpp"
#include "flatkv/repair.hpp"
#include "flatkv/rollback.hpp"
#include "flatkv/transfer.hpp"
#include "flatkv/verify.hpp"

// What callers ask for, before anything is made of it.
namespace flatkv::state {

/// `invalid_argument` that names the first field out of its range, and the range. Small and large
/// values that only make a store slow are in the range; what no machine can give is not.
Status check_options(const Options& options);
Status check_options(const CreateOptions& options);
Status check_options(const RollbackOptions& options);
Status check_options(const ReadOnlyOptions& options);
Status check_options(const VerifyOptions& options);
Status check_options(const DigestOptions& options);
Status check_options(const RepairOptions& options);
Status check_options(const ImportOptions& options);

}  // namespace flatkv::state

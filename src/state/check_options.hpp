// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "flatkv/options.hpp"
#include "flatkv/tools/digest.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/repair.hpp"
#include "flatkv/tools/rollback.hpp"
#include "flatkv/tools/transfer.hpp"
#include "flatkv/verify.hpp"

// Checks what callers ask for before anything is done with it.
namespace flatkv::state {

/// `invalid_argument`, naming the first field that is out of range, and its range. Values that only
/// make a store slow are allowed; values that no machine can provide are not.
Status check_options(const Options& options);
Status check_options(const CreateOptions& options);
Status check_options(const RollbackOptions& options);
Status check_options(const ReadOnlyOptions& options);
Status check_options(const VerifyOptions& options);
Status check_options(const DigestOptions& options);
Status check_options(const RepairOptions& options);
Status check_options(const ImportOptions& options);

}  // namespace flatkv::state

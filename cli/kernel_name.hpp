// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "outcome.hpp"

namespace flatkv::cli {

/// The hashing kernel in use, as the library chose it or FLATKV_KERNEL forced it.
std::string kernel_name();

/// Refuses a FLATKV_KERNEL that names no kernel or one that cannot run here.
Outcome<void> check_kernel();

}  // namespace flatkv::cli

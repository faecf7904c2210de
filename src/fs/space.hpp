// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"

namespace flatkv::fs {

/// Says in a `no_space` error how much the step that failed needs, and what its file system has
/// free where that can be asked. Any other status is returned as it is.
Status needing(std::uint64_t bytes, Status status);

}  // namespace flatkv::fs

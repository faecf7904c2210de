// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "flatkv/inspect.hpp"

namespace flatkv::cli {

/// Bytes of memory that the process takes now; nothing where it is not of this host, or cannot be
/// seen.
std::optional<std::uint64_t> resident_memory(const StoreInfo::Holder& holder);

}  // namespace flatkv::cli

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "flatkv/tools/inspect.hpp"

namespace flatkv::cli {

/// Resident bytes of the process; nothing if it runs on another host or is not visible.
std::optional<std::uint64_t> resident_memory(const StoreInfo::Holder& holder);

}  // namespace flatkv::cli

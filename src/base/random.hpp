// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "base/error.hpp"

namespace flatkv {

/// Fills `bytes` with random ones of the system, which no other process gets. Waits for its pool
/// right after a boot. Any thread.
Status fill_random(std::span<std::uint8_t> bytes);

}  // namespace flatkv

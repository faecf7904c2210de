// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "flatkv/export.hpp"

namespace FLATKV_API flatkv {

/// Reports how far long work has come. `step` names what is being done, for people; it is valid
/// only for the call. `done` and `total` count rows or blocks, as the options that take the
/// callback say; both are 0 for a step that cannot tell. Called on the caller's thread or on one
/// that works for it, never on two at once. If it throws, the work ends with an error.
using ProgressCallback =
    std::function<void(std::string_view step, std::uint64_t done, std::uint64_t total)>;

}  // namespace flatkv

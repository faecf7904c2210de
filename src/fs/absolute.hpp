// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/error.hpp"

namespace flatkv::fs {

/// The path from the root on, as the process's directory is now. Links stay; an empty path does
/// too.
Result<std::string> absolute(const std::string& path);

}  // namespace flatkv::fs

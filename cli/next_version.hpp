// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <string>

#include "base/version_arithmetic.hpp"

namespace flatkv::cli {

/// The version after this one, for messages.
inline std::string next_version_text(std::int64_t version) {
  const auto next = version_after(version);
  return next ? std::to_string(*next) : fmt::format("none: {} is the last there can be", version);
}

}  // namespace flatkv::cli

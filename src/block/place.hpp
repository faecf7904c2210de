// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "flatkv/bytes.hpp"

namespace flatkv::block {

/// A committed block, told from one of the same version on another branch.
struct Place {
  std::int64_t version = 0;
  Digest chain{};

  bool operator==(const Place&) const = default;
};

}  // namespace flatkv::block

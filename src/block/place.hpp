// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "flatkv/bytes.hpp"
#include "memtable/reach.hpp"

namespace flatkv::block {

/// A committed block, told from one of the same version on another branch by its chain digest, and
/// from itself, undone and committed again, by its stamp.
struct Place {
  std::int64_t version = 0;
  Digest chain{};
  memtable::Stamp stamp = 0;

  bool operator==(const Place&) const = default;
};

}  // namespace flatkv::block

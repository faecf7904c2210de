#pragma once

#include "flatkv/bytes.hpp"
#include "flatkv/export.hpp"

namespace FLATKV_API flatkv {

/// The roots line of a version: BLAKE3-256 checksums of the five lattice hashes. Whoever must be
/// convinced of a state compares all five; `root` alone does not say in which database a row lies.
struct Roots {
  Digest root{};
  Digest account{};
  Digest code{};
  Digest storage{};
  Digest legacy{};

  bool operator==(const Roots&) const = default;
};

}  // namespace flatkv

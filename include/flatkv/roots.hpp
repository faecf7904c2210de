// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "flatkv/bytes.hpp"
#include "flatkv/error.hpp"
#include "flatkv/export.hpp"

namespace FLATKV_API flatkv {

/// The roots line of a version: the BLAKE3-256 checksums of the global lattice hash (`root`) and of
/// the four databases' hashes. Compare all five to prove a state: `root` alone does not say in
/// which database a row lies.
struct Roots {
  Digest root{};
  Digest account{};
  Digest code{};
  Digest storage{};
  Digest legacy{};

  bool operator==(const Roots&) const = default;

  /// The checksum of one data database; of `metadata`, which holds the global hash, the root.
  const Digest& of(Database database) const noexcept;
};

}  // namespace flatkv

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <span>

#include "flatkv/lthash.hpp"
#include "flatkv/tools/transfer.hpp"
#include "lthash/summation.hpp"

namespace flatkv::transfer {

/// Sums the elements of rows on the executor while the caller goes on using the same rows. One
/// caller.
class RowHasher {
 public:
  /// `rows`, and the bytes they point at, must live until the next `begin` or `hashes` returns.
  void begin(std::span<const ImportRow> rows);
  /// Waits for the rows so far; returns their sums.
  const PerDataDatabase<LtHash>& hashes();
  /// Nothing that was begun is read any more; the hashes are unspecified.
  void drain() noexcept { sums_.drain(); }

 private:
  PerDataDatabase<LtHash> hashes_;
  lthash::Summation sums_;
};

/// `corruption` if the roots differ from the trusted ones, naming the database; `version_mismatch`
/// if there are trusted lines but none of this version.
Status compare_trusted(std::int64_t version, const Roots& roots, const TrustedRoots& trusted);

}  // namespace flatkv::transfer

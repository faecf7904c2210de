#pragma once

#include <tbb/task_group.h>

#include <array>
#include <vector>

#include "flatkv/lthash.hpp"
#include "flatkv/transfer.hpp"
#include "lthash/batch.hpp"

namespace flatkv::transfer {

/// Sums the elements of rows on the pool while the caller goes on with the same rows. One caller.
class RowHasher {
 public:
  ~RowHasher() { tasks_.wait(); }

  /// `rows`, and the bytes they point at, must live until the next `begin` or `hashes` returns.
  void begin(std::span<const ImportRow> rows);
  /// Waits for what was begun.
  const std::array<LtHash, 4>& hashes();

 private:
  tbb::task_group tasks_;
  std::array<std::vector<lthash::RowChange>, 4> changes_;
  std::array<LtHash, 4> hashes_;
};

/// `corruption` if the roots are not the trusted ones; says which database differs.
/// `version_mismatch` if there are trusted lines, but none of this version.
Status compare_trusted(std::int64_t version, const Roots& roots, const TrustedRoots& trusted);

}  // namespace flatkv::transfer

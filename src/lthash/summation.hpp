// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "flatkv/lthash.hpp"
#include "lthash/batch.hpp"
#include "lthash/hashing_share.hpp"

namespace flatkv::lthash {

/// Sums of rows, hashed by an executor while the caller still finds more of them: full parts go to
/// it as they fill, and the thread that calls `wait` hashes what is left. The load is balanced
/// whatever the sizes of rows and sums; a few rows never leave the calling thread. The result does
/// not depend on who hashed what. One thread calls; several summations may run side by side.
class Summation {
 public:
  explicit Summation(std::shared_ptr<HashingShare> share = HashingShare::of_process());
  /// Waits for the tasks under way.
  ~Summation();
  Summation(const Summation&) = delete;
  Summation& operator=(const Summation&) = delete;

  /// Adds the net change of a row to `sum`. The bytes that the row borrows, and `sum`, must be left
  /// alone until `wait` or `drain` returns. Throws std::bad_alloc without having taken the row.
  void add(LtHash& sum, const RowChange& row);

  /// Lets the executor have the parts that are not full, too, since nothing is added to these sums
  /// for now.
  void hand_over();

  /// Returns when every row is in its sum. Throws what hashing threw (std::bad_alloc); then the
  /// sums are unspecified and no task is running.
  void wait();
  /// Returns when no task is running; the sums are unspecified.
  void drain() noexcept;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with its tasks: one may start after the end
};

}  // namespace flatkv::lthash

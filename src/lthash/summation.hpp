#pragma once

#include <memory>

#include "flatkv/lthash.hpp"
#include "lthash/batch.hpp"

namespace flatkv::lthash {

/// Sums of rows that are hashed on the pool while the caller is still finding further ones: full
/// parts go to the pool as they come, and `wait` has the calling thread take what is left. Balanced
/// whatever the sizes of rows and sums; a few rows never leave the calling thread. The sums do not
/// depend on who hashed what. One thread calls; several summations may run side by side.
class Summation {
 public:
  Summation();
  /// Waits, too.
  ~Summation();
  Summation(const Summation&) = delete;
  Summation& operator=(const Summation&) = delete;

  /// Adds the net change of a row to `sum`. What the row borrows, and `sum`, belong to this until
  /// `wait` or `drain` returns. Throws std::bad_alloc, the row not taken.
  void add(LtHash& sum, const RowChange& row);

  /// All that was added is in its sum. Throws what hashing threw (std::bad_alloc); the sums are
  /// unspecified then, and nothing runs any more.
  void wait();
  /// Nothing runs any more; the sums are unspecified.
  void drain() noexcept;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // the pool's tasks hold it too: one may begin after all is done
};

}  // namespace flatkv::lthash

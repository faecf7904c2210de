// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "flatkv/store.hpp"

namespace flatkv::transfer {

/// Prefetches the rows that coming blocks write, where that pays off. That is not so for rows in
/// memory, the system's page cache included: nothing is asked for before the store's reads have
/// waited for the device, and only few blocks, as samples, while most rows turn out to be in the
/// store's own memory. One thread at a time, also beside the store's writer.
class PrefetchAhead {
 public:
  /// `store` must outlive it.
  explicit PrefetchAhead(const CommitStore& store) : store_(store) {}

  /// A block, or a part of it, that is going to be applied after those named before.
  void block(std::span<const NamedChangeSet> change_sets);

 private:
  void decide();

  const CommitStore& store_;
  std::uint64_t blocks_ = 0;
  bool waits_ = false;      ///< reads have waited for the device
  bool all_ = true;         ///< no longer samples alone
  PrefetchMetrics seen_{};  ///< counters at the last decision
};

}  // namespace flatkv::transfer

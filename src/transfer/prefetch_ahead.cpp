// SPDX-License-Identifier: Apache-2.0
#include "transfer/prefetch_ahead.hpp"

#include <vector>

namespace flatkv::transfer {
namespace {

/// One block of so many is asked for in any case.
constexpr std::uint64_t kSample = 16;
/// Rows from which something can be told, and the part of them that must come from the tables.
constexpr std::uint64_t kEnough = 64;
constexpr std::uint64_t kWorth = 8;

}  // namespace

void PrefetchAhead::block(std::span<const NamedChangeSet> change_sets) {
  if (blocks_++ % kSample == 0) {
    decide();
  } else if (!all_) {
    return;
  }
  if (!waits_) return;
  std::vector<ByteView> keys;
  for (const NamedChangeSet& set : change_sets) {
    if (set.name != kEvmModule) continue;
    for (const KVPair& pair : set.pairs) keys.push_back(pair.key);
  }
  static_cast<void>(store_.prefetch(keys));  // `apply` meets what is wrong and reports it
}

void PrefetchAhead::decide() {
  const StoreMetrics now = store_.metrics();
  waits_ = now.read_threads != 0;
  const std::uint64_t loaded = now.prefetch.loaded - seen_.loaded;
  const std::uint64_t found = now.prefetch.hit - seen_.hit;
  if (loaded + found < kEnough) return;
  all_ = loaded * kWorth >= loaded + found;
  seen_ = now.prefetch;
}

}  // namespace flatkv::transfer

// SPDX-License-Identifier: Apache-2.0
#include "lthash/batch.hpp"

#include <memory>

#include "base/bytes.hpp"
#include "blake3/kernel.hpp"
#include "lthash/collector.hpp"

namespace flatkv::lthash {
namespace {

// One per thread, so that its slots stay in the cache.
Collector& collector() {
  thread_local const std::unique_ptr<Collector> mine = std::make_unique_for_overwrite<Collector>();
  return *mine;
}

}  // namespace

LtHash element(ByteView key, ByteView value) {
  LtHash result;
  Collector& sum = collector();
  sum.begin(blake3::backend());
  sum.add(key, value, false);
  sum.finish(result);
  return result;
}

void accumulate(std::span<const RowChange> rows, LtHash& accumulator) {
  if (rows.empty()) return;
  Collector& sum = collector();
  sum.begin(blake3::backend());
  for (const auto& row : rows) {
    if (equal(row.old_value, row.new_value)) continue;
    sum.add(row.key, row.old_value, true);
    sum.add(row.key, row.new_value, false);
  }
  sum.finish(accumulator);
}

}  // namespace flatkv::lthash

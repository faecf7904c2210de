// SPDX-License-Identifier: Apache-2.0
#include "flatkv/tools/report.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/guard.hpp"

namespace flatkv {
namespace {

constexpr std::uint64_t kBetweenLooks = 1U << 14;

bool more(const ContractRows& a, const ContractRows& b) {
  return a.rows != b.rows ? a.rows > b.rows : compare_bytes(a.address, b.address) < 0;
}

/// Keeps the largest of the contracts that pass.
void take(Contracts& contracts, const ContractRows& one, std::size_t most) {
  if (one.rows == 0) return;
  ++contracts.count;
  auto& largest = contracts.largest;
  if (largest.size() == most && (most == 0 || !more(one, largest.back()))) return;
  largest.insert(std::ranges::upper_bound(largest, one, more), one);
  if (largest.size() > most) largest.pop_back();
}

}  // namespace

Result<Contracts> largest_contracts(const ReadView& view, const ContractsOptions& options) {
  return guarded([&]() -> Result<Contracts> {
    FLATKV_ASSIGN(RowIterator row, view.iterate(Database::storage));
    const std::uint64_t total = view.stats(Database::storage).rows;
    Contracts contracts;
    ContractRows one;
    for (std::uint64_t rows = 0; row.valid(); row.next(), ++rows) {
      if (rows % kBetweenLooks == 0) {
        if (options.stop.stop_requested()) {
          return fail(ErrorCode::cancelled, "the walk over the contracts was stopped");
        }
        if (options.progress) options.progress("contracts", rows, total);
      }
      const ByteView key = row.key();
      if (key.size() < one.address.size()) {
        return fail(ErrorCode::corruption,
                    "a storage key of " + std::to_string(key.size()) + " bytes")
            .database(Database::storage)
            .version(view.version());
      }
      const ByteView address = key.first(one.address.size());
      if (one.rows == 0 || !equal(address, one.address)) {
        take(contracts, one, options.most);
        one = {};
        std::ranges::copy(address, one.address.begin());
      }
      ++one.rows;
      one.bytes += key.size() + row.value().size();
    }
    FLATKV_TRY(row.status());
    take(contracts, one, options.most);
    if (options.progress) options.progress("contracts", total, total);
    return contracts;
  });
}

}  // namespace flatkv

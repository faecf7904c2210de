// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "block/pending_block.hpp"
#include "flatkv/store.hpp"
#include "flatkv/view.hpp"
#include "state/state.hpp"

// Reading by external key, through pending writes or not; the public views stand on this.
namespace flatkv::read {

/// `pending` may be null: committed state only. So may `cache`, which is for the current state.
Result<std::optional<Bytes>> read_external(const state::State& state,
                                           const block::PendingBlock* pending,
                                           ByteView external_key,
                                           memtable::RowCache* cache = nullptr);
/// All at once, through `values`, which must be of this state (or without cache and filter).
Result<std::vector<std::optional<Bytes>>> read_many(const state::State& state,
                                                    const block::PendingBlock* pending,
                                                    std::span<const ByteView> external_keys,
                                                    block::RowLookup& values);
Result<std::optional<Account>> read_account(const state::State& state,
                                            const block::PendingBlock* pending,
                                            const Address& address,
                                            memtable::RowCache* cache = nullptr);
Result<std::optional<Bytes>> read_through(const state::State& state,
                                          const block::PendingBlock* pending, Database database,
                                          ByteView internal_key,
                                          memtable::RowCache* cache = nullptr);

/// The keys within all three limits of a range.
rocks::Bounds bounds_of(const RowRange& range);

/// What users are told of a database's counts.
inline DatabaseStats public_stats(const codec::Stats& stats) {
  return {stats.rows, stats.key_bytes, stats.value_bytes};
}

/// `invalid_argument` for the metadata database.
Result<RowIterator> iterate(const std::shared_ptr<const state::State>& state,
                            const block::PendingBlock* pending, Database database,
                            const RowRange& range);

/// Full scan of a state against its hashes and counts.
Result<VerifyReport> verify_state(const std::shared_ptr<const state::State>& state,
                                  const VerifyOptions& options, std::uint32_t threads);

ReadView make_view(std::shared_ptr<const state::State> state);

}  // namespace flatkv::read

namespace flatkv {

struct ReadView::Impl {
  std::shared_ptr<const state::State> state;
};

}  // namespace flatkv

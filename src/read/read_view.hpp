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

// Reads by external and internal key, with or without pending writes. The public views build on
// this.
namespace flatkv::read {

/// `pending` may be null: then only the committed state is read. `cache` may be null, too; it
/// belongs to the current state.
Result<std::optional<Bytes>> read_external(const state::State& state,
                                           const block::PendingBlock* pending,
                                           ByteView external_key,
                                           memtable::RowCache* cache = nullptr);
/// Reads many keys at once with `values`, which must belong to this state or have neither cache nor
/// filter.
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

/// Iterates over the rows in `range`; `invalid_argument` for the metadata database.
Result<RowIterator> iterate(const std::shared_ptr<const state::State>& state,
                            const block::PendingBlock* pending, Database database,
                            const RowRange& range);

/// Scans a state and compares it with its hashes and counts.
Result<VerifyReport> verify_state(const std::shared_ptr<const state::State>& state,
                                  const VerifyOptions& options, std::uint32_t threads);

ReadView make_view(std::shared_ptr<const state::State> state);

}  // namespace flatkv::read

namespace flatkv {

struct ReadView::Impl {
  std::shared_ptr<const state::State> state;
};

}  // namespace flatkv

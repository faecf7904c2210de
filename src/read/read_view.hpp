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

/// What a read goes through. Borrowed for the read.
struct Source {
  block::Ground ground;
  const block::PendingBlock* pending;  ///< on top; null: none
  block::RowLookup& rows;
};

Result<std::optional<Bytes>> read_external(const Source& source, ByteView external_key);
Result<std::vector<std::optional<Bytes>>> read_many(const Source& source,
                                                    std::span<const ByteView> external_keys);
Result<std::optional<Account>> read_account(const Source& source, const Address& address);
Result<std::optional<Bytes>> read_through(const Source& source, Database database,
                                          ByteView internal_key);

/// The keys within all three limits of a range.
rocks::Bounds bounds_of(const RowRange& range);

/// Iterates over the rows in `range`, with those of `blocks` (newest first) on top of the state;
/// `invalid_argument` for the metadata database. Keeps the state, and copies of the blocks' rows.
Result<RowIterator> iterate(const std::shared_ptr<const state::State>& state,
                            std::span<const block::PendingBlock* const> blocks, Database database,
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

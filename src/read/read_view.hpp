// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/guard.hpp"
#include "block/pending_block.hpp"
#include "block/prefetcher.hpp"
#include "flatkv/keys.hpp"
#include "flatkv/store.hpp"
#include "flatkv/view.hpp"
#include "lthash/hashing_share.hpp"
#include "state/state.hpp"

// Reads by external and internal key, with or without pending writes. The public views build on
// this.
namespace flatkv::read {

/// What a read goes through. Borrowed for the read.
struct Source {
  block::Ground ground;
  const block::PendingBlock* pending;  ///< on top; null: none
  block::RowLookup& rows;
  lthash::HashingShare* share = nullptr;  ///< threads for many keys; null: only the calling one
};

/// `invalid_argument` for any but the four that have rows.
Status check_data_database(Database database);

Result<std::optional<Bytes>> read_external(const Source& source, ByteView external_key);
Result<std::vector<std::optional<Bytes>>> read_many(const Source& source,
                                                    std::span<const ByteView> external_keys);
/// The rows that these keys are read from; views into them.
Result<std::vector<block::Prefetcher::Row>> rows_of(std::span<const ByteView> external_keys);
Result<std::optional<Account>> read_account(const Source& source, const Address& address);
Result<std::optional<Bytes>> read_through(const Source& source, Database database,
                                          ByteView internal_key);

// The reads by key that every handle has, in terms of the four above. `from.read(step)` calls
// `step` with the Source of the handle and returns what it returns, or why there is none.

template <class From>
Result<std::optional<Bytes>> get(From& from, ByteView external_key) {
  return from.read([&](const Source& source) { return read_external(source, external_key); });
}
template <class From>
Result<std::vector<std::optional<Bytes>>> get_many(From& from,
                                                   std::span<const ByteView> external_keys) {
  return from.read([&](const Source& source) { return read_many(source, external_keys); });
}
template <class From>
Result<std::optional<Account>> account(From& from, const Address& address) {
  return from.read([&](const Source& source) { return read_account(source, address); });
}
template <class From>
Result<std::optional<Bytes>> row(From& from, Database database, ByteView internal_key) {
  return from.read(
      [&](const Source& source) { return read_through(source, database, internal_key); });
}
template <class From>
Result<std::optional<Bytes>> storage(From& from, const Address& address, const Slot& slot) {
  const StorageKey key = storage_key(address, slot);
  return row(from, Database::storage, ByteView(key).subspan(1));
}
template <class From>
Result<std::optional<Bytes>> code(From& from, const Address& address) {
  return row(from, Database::code, address);
}

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
  /// A view outlives the store, whose cache and filter it must not use.
  template <class Read>
  auto read(Read&& read) const -> std::invoke_result_t<Read, const read::Source&> {
    return guarded([&] {
      block::RowLookup rows(nullptr, nullptr);
      return std::forward<Read>(read)(read::Source{{*state}, nullptr, rows});
    });
  }

  std::shared_ptr<const state::State> state;
};

}  // namespace flatkv

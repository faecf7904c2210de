// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "flatkv/account.hpp"
#include "flatkv/bytes.hpp"
#include "flatkv/change_set.hpp"
#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/lthash.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/view.hpp"

namespace FLATKV_API flatkv {

/// A block that is not final yet: uncommitted writes on top of the committed state
/// (`CommitStore::overlay`) or of another overlay (`child`). Any number stand side by side, and
/// several children on one parent. `CommitStore::commit` commits one of them with the overlays
/// below it; their other children live on, now on top of the committed state.
///
/// Stale. An overlay whose branch lost, since another block was committed in its place or in that
/// of one below it, or since the block that it stands on was rolled back, is stale for good: every
/// call but the destructor is `stale`. An overlay that was committed shows the committed state, and
/// is stale once the next block is committed. After the store was closed, calls are `store_failed`.
///
/// Memory. Each takes some 20 KiB, its writes, the old values of the rows that they change, and,
/// once it has children, an index of what they stand on. All overlays of a store together are kept
/// to `Options::overlay_memory_bytes`: what would go beyond is `no_space` and changes nothing.
/// Destroy what has lost: a stale overlay keeps its memory until then.
///
/// Threads. Different overlays may be used in different threads, also parent and child, beside the
/// store's writer and its commits. Each single one is for one thread at a time, and the one that
/// is being committed for the writer alone. Calls must have returned before the store handle is
/// destroyed; overlays themselves may outlive it. After a fork, the child must not touch them.
///
/// Exceptions. No function throws. If an allocation fails in `apply`, in a call that computes
/// roots, or in `child`, the overlay can only be destroyed: every later call is `out_of_memory`.
/// The store does not fail.
///
/// A moved-from overlay may only be destroyed or assigned to.
class Overlay {
 public:
  Overlay(Overlay&&) noexcept;
  Overlay& operator=(Overlay&&) noexcept;
  ~Overlay();

  /// The version that its block would be committed as, or was.
  std::int64_t version() const noexcept;

  /// As CommitStore::apply: adds writes, all of them or, on any error, none. `invalid_argument` for
  /// an overlay that has or had children or was committed: it no longer changes. `no_space` (see
  /// above: 400 bytes a write are allowed for, until it is known which of them are new rows);
  /// `store_failed` if the store has failed.
  Status apply(std::span<const NamedChangeSet> change_sets);

  /// The root with the writes of this overlay and of those below it. Costs what this overlay's
  /// writes since the last call cost.
  Result<Digest> root_hash() const;
  Result<Roots> working_roots() const;
  /// The lattice hash of a data database; `invalid_argument` for `metadata`.
  Result<LtHash> working_hash(Database database) const;

  /// The reads of ReadView, through this overlay, those below it and the committed state. They go
  /// on after the store has failed.
  Result<std::optional<Bytes>> get(ByteView external_key) const;
  Result<std::vector<std::optional<Bytes>>> get_many(std::span<const ByteView> external_keys) const;
  Result<std::optional<Account>> account(const Address& address) const;
  Result<std::optional<Bytes>> storage(const Address& address, const Slot& slot) const;
  Result<std::optional<Bytes>> code(const Address& address) const;
  Result<std::optional<Bytes>> row(Database database, ByteView internal_key) const;
  /// Collects and copies the uncommitted rows within `range`. The iterator shows the rows of this
  /// moment, whatever becomes of the overlays.
  Result<RowIterator> iterate(Database database, const RowRange& range = {}) const;

  /// As CommitStore::prefetch, without the rows that this overlay and those below it write.
  Status prefetch(std::span<const ByteView> external_keys) const;

  /// An empty overlay on top of this one, which computes its roots and no longer changes. After an
  /// error other than `out_of_memory` it is as before.
  Result<Overlay> child();

 private:
  friend struct Internals;
  struct Impl;
  explicit Overlay(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv

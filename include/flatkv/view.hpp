// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "flatkv/account.hpp"
#include "flatkv/bytes.hpp"
#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/lthash.hpp"
#include "flatkv/roots.hpp"

namespace FLATKV_API flatkv {

/// Limits an iteration to the rows with `prefix` in [start, end). All three are *internal* keys: an
/// address (accounts and code), address ‖ slot (storage), or a whole legacy key. An empty one does
/// not limit.
struct RowRange {
  Bytes prefix;
  Bytes start;
  Bytes end;
};

/// Iterates over the rows of one database in key order, in both directions, giving internal keys
/// and stored values. For one thread at a time. Keeps its state alive. `valid` is false at either
/// end and after an error: check `status` when it turns false. A new iterator is at the first row.
class RowIterator {
 public:
  RowIterator(RowIterator&&) noexcept;
  RowIterator& operator=(RowIterator&&) noexcept;
  ~RowIterator();

  void seek_to_first() noexcept;
  void seek_to_last() noexcept;
  void seek(ByteView key) noexcept;               ///< first row at or after `key`
  void seek_for_previous(ByteView key) noexcept;  ///< last row at or before `key`
  void next() noexcept;                           ///< does nothing where not `valid`
  void previous() noexcept;                       ///< likewise
  bool valid() const noexcept;
  /// The error that ended the iteration, if any. After `out_of_memory` the iterator is at no row
  /// for good.
  Status status() const noexcept;
  ByteView key() const noexcept;    ///< until the iterator moves; only where `valid`
  ByteView value() const noexcept;  ///< until the iterator moves; only where `valid`

 private:
  friend struct Internals;
  struct Impl;
  explicit RowIterator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The committed state at one version, consistent over all databases. Cheap to copy; any number of
/// threads may use one. It outlives commits, snapshots, rollbacks and the store handle, and keeps
/// the databases of its generation open (and the store locked) until it is destroyed. Returned
/// bytes are the caller's. A failed read is an error, never "not found".
class ReadView {
 public:
  std::int64_t version() const noexcept;
  const Roots& roots() const noexcept;
  /// The store's option, which readers of exported rows need.
  AccountRows account_rows() const noexcept;
  /// The lattice hash of a data database. `hash` and `stats` must not be called for `metadata`.
  const LtHash& hash(Database database) const;
  DatabaseStats stats(Database database) const;

  /// The value of an external key (flatkv/keys.hpp). The nonce of an existing account is present
  /// even if zero; a code hash or balance of zero reads as absent. `invalid_argument` for an empty
  /// key or one above 64 KiB.
  Result<std::optional<Bytes>> get(ByteView external_key) const;
  /// What `get` returns for each key, in the order of the keys, which may repeat; the first error
  /// if there is one. Faster than single reads for the reads of a block: memory accesses overlap,
  /// and each database is read once, in key order.
  Result<std::vector<std::optional<Bytes>>> get_many(std::span<const ByteView> external_keys) const;
  Result<std::optional<Account>> account(const Address& address) const;
  Result<std::optional<Bytes>> storage(const Address& address, const Slot& slot) const;
  Result<std::optional<Bytes>> code(const Address& address) const;
  /// A stored row by internal key; `invalid_argument` for the metadata database, also from
  /// `iterate`.
  Result<std::optional<Bytes>> row(Database database, ByteView internal_key) const;

  /// Rows within `range` of a data database.
  Result<RowIterator> iterate(Database database, const RowRange& range = {}) const;

 private:
  friend struct Internals;
  struct Impl;
  explicit ReadView(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace flatkv

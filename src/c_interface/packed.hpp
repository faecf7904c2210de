// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "base/error.hpp"
#include "flatkv/bytes.hpp"
#include "flatkv/change_set.hpp"
#include "flatkv/tools/transfer.hpp"

// The pieces in which blocks and rows cross to other languages (flatkv/flatkv.h).
namespace flatkv::c_interface {

/// Change sets that borrow the bytes they were read from.
class PackedChanges {
 public:
  /// `invalid_argument` with the offset.
  static Result<PackedChanges> read(ByteView bytes);
  std::span<const NamedChangeSet> change_sets() const noexcept { return sets_; }

 private:
  std::vector<std::vector<KVPair>> pairs_;
  std::vector<NamedChangeSet> sets_;
};

/// `invalid_argument` for what is 4 GiB or longer.
Result<Bytes> pack_changes(std::span<const NamedChangeSet> change_sets);

/// Rows of one database, as an iterator's batch has them. They borrow the bytes.
/// `invalid_argument` with the offset.
Result<std::vector<ImportRow>> read_rows(Database database, ByteView bytes);
/// Adds one to such a batch.
void put_row(Bytes& into, ByteView key, ByteView value);

template <std::unsigned_integral Number>
void put_number(Bytes& into, Number number) {
  into.resize(into.size() + sizeof number);
  store_le(into.data() + into.size() - sizeof number, number);
}

}  // namespace flatkv::c_interface

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "codec/local_meta.hpp"
#include "flatkv/bytes.hpp"
#include "flatkv/lthash.hpp"

namespace flatkv::block {

/// The net change of one key in the pending block. All views live in the block's arena or chunks.
struct BlockRow {
  ByteView key;
  std::uint64_t hash = 0;
  ByteView old_value;  ///< at the last commit, unless it was let go
  ByteView value;      ///< now
  ByteView mixed;      ///< what the working hash holds of it
  /// Bytes of an old value that was let go once it was hashed; 0 for one that is kept. Its place
  /// has the old element instead, or nothing where no scrub will ask for that.
  std::uint32_t let_go = 0;
  bool had_old = false;
  bool has_value = false;
  bool dirty = false;  ///< value differs (or may differ) from mixed

  /// May be true of a row whose old value was let go and comes again.
  bool changed() const;
  std::uint64_t old_bytes() const { return let_go != 0 ? let_go : old_value.size(); }
  /// Only where it was let go.
  const LtHash& old_element() const;
};

/// Takes a changed row into the counts of its database.
void count_change(const BlockRow& row, codec::Stats& stats);

/// Rows of one database in the pending block, found by key.
class BlockRows {
 public:
  BlockRow* find(ByteView key, std::uint64_t hash);
  const BlockRow* find(ByteView key, std::uint64_t hash) const;
  /// Index of the row with that key, made if there is none.
  std::uint32_t intern(ByteView key, std::uint64_t hash);
  void truncate(std::size_t rows);  ///< forgets the rows interned last
  void clear();

  std::vector<BlockRow> rows;

 private:
  void insert_index(std::uint32_t row);
  void grow();
  std::vector<std::uint32_t> index_;  ///< row + 1, 0 is free; power of two
};

}  // namespace flatkv::block

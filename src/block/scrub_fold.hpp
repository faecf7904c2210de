// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "block/block_rows.hpp"
#include "block/scrub_part.hpp"

namespace flatkv::block {

/// The pending block's share in the sum of a scrub: what the working hash took of the rows behind
/// the front, kept up as they are hashed. One thread.
class ScrubFold {
 public:
  /// A new block.
  void begin();
  /// Takes another front: rows between the old and the new are hashed, of the block alone. Null:
  /// nothing is behind.
  void follow(std::shared_ptr<const ScrubFront> front, const std::array<BlockRows, 4>& tables);
  /// Whether there is a front at all.
  bool active() const { return front_ != nullptr; }
  /// Whether rows of this database may be behind.
  bool concerns(std::size_t database) const {
    return front_ && static_cast<std::size_t>(front_->database) == database;
  }
  /// These three only where there is a front.
  Database database() const { return front_->database; }
  bool covers(ByteView key) const { return front_->covers(key); }
  void add(const LtHash& change) { hash_ += change; }
  /// The old value of a row was let go, and the working hash has lost its element.
  void let_go(std::size_t database, const BlockRow& row) {
    if (concerns(database) && covers(row.key)) hash_ -= row.old_element();
  }

  /// Hash and counts; every row must have been hashed.
  ScrubChange change(const std::array<BlockRows, 4>& tables) const;

 private:
  std::shared_ptr<const ScrubFront> front_;
  LtHash hash_;
};

}  // namespace flatkv::block

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "block/block_rows.hpp"
#include "block/scrub_part.hpp"

namespace flatkv::block {

/// The pending block's part of a scrub's sum: the change of the working hash that is due to rows
/// behind the front, updated as they are hashed. One thread.
class ScrubFold {
 public:
  /// Starts a new block.
  void begin();
  /// Changes to another front: hashes the block's rows between the old and the new one. Null:
  /// nothing is behind.
  void follow(std::shared_ptr<const ScrubFront> front, const PerDataDatabase<BlockRows>& tables);
  /// Whether there is a front.
  bool active() const { return front_ != nullptr; }
  /// Whether rows of this database may be behind.
  bool concerns(Database database) const { return front_ && front_->database == database; }
  /// These three require a front.
  Database database() const { return front_->database; }
  bool covers(ByteView key) const { return front_->covers(key); }
  void add(const LtHash& change) { hash_ += change; }
  /// Tells that the old value of a row was released, and its element taken out of the working hash.
  void let_go(Database database, const BlockRow& row) {
    if (concerns(database) && covers(row.key)) hash_ -= row.old_element();
  }

  /// The change of hash and counts. Every row must have been hashed.
  ScrubChange change(const PerDataDatabase<BlockRows>& tables) const;

 private:
  std::shared_ptr<const ScrubFront> front_;
  LtHash hash_;
};

}  // namespace flatkv::block

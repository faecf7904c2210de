// SPDX-License-Identifier: Apache-2.0
#include "block/scrub_fold.hpp"

#include "base/bytes.hpp"
#include "lthash/batch.hpp"

namespace flatkv::block {

void ScrubFold::begin() {
  front_.reset();
  hash_ = {};
}

void ScrubFold::follow(std::shared_ptr<const ScrubFront> front,
                       const PerDataDatabase<BlockRows>& tables) {
  if (front == front_) return;
  // Within a database and a round, a front only moves up. Otherwise the sum begins anew.
  const bool higher = front_ && front && front->database == front_->database && front_->before &&
                      (!front->before || compare_bytes(*front_->before, *front->before) <= 0);
  if (!higher) hash_ = {};
  const auto had = higher ? std::move(front_) : nullptr;
  front_ = std::move(front);
  if (!front_) return;
  std::vector<lthash::RowChange> between;
  for (const BlockRow& row : tables[front_->database].rows) {
    if ((row.let_go == 0 && equal(row.mixed, row.old_value)) || !covers(row.key)) continue;
    if (had && had->covers(row.key)) continue;
    if (row.let_go != 0) hash_ -= row.old_element();
    between.push_back({row.key, row.let_go != 0 ? ByteView{} : row.old_value, row.mixed});
  }
  lthash::accumulate(between, hash_);
}

ScrubChange ScrubFold::change(const PerDataDatabase<BlockRows>& tables) const {
  ScrubChange change{hash_, {}};
  if (!front_) return change;
  for (const BlockRow& row : tables[front_->database].rows) {
    if (row.changed() && covers(row.key)) count_change(row, change.stats);
  }
  return change;
}

}  // namespace flatkv::block

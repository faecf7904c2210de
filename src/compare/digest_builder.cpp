// SPDX-License-Identifier: Apache-2.0
#include "compare/digest_builder.hpp"

#include <algorithm>
#include <utility>

#include "base/endian.hpp"
#include "blake3/blake3.hpp"

namespace flatkv::compare {
namespace {

/// The element that a row without a value would have. The state's hash leaves it out; ranges count
/// it, so that no such row can appear or vanish unnoticed.
LtHash empty_element(ByteView key) {
  std::array<std::uint8_t, 4> size{};
  store_le(size.data(), static_cast<std::uint32_t>(key.size()));
  const std::array<std::uint8_t, 4> no_value{};
  std::array<std::uint8_t, LtHash::kBytes> bytes{};
  blake3::Hasher().update(size).update(key).update(no_value).finalize_xof(0, bytes);
  return LtHash::deserialize(bytes);
}

/// Applies a larger `leaf_rows` to a subtree.
void raise_one(Subtree& subtree, std::uint64_t leaf_rows) {
  if (subtree.rows <= leaf_rows) {
    subtree.nodes.clear();
  } else {
    coarsen(subtree.nodes, leaf_rows);
  }
}

}  // namespace

void raise(Run& run, std::uint64_t leaf_rows) {
  for (Subtree& subtree : run.subtrees) raise_one(subtree, leaf_rows);
}

Run copy_of(const Run& run) {
  Run copy;
  copy.last_key = run.last_key;
  for (const Subtree& subtree : run.subtrees) {
    Subtree& own = copy.subtrees.emplace_back();
    own.rows = subtree.rows;
    own.link = subtree.link;
    own.sum = std::make_unique<LtHash>(*subtree.sum);
    own.key = subtree.key;
    own.nodes = subtree.nodes;
  }
  return copy;
}

Tally& Tally::operator+=(const Tally& other) {
  rows += other.rows;
  key_bytes += other.key_bytes;
  value_bytes += other.value_bytes;
  empties += other.empties;
  return *this;
}

void Joiner::add(std::span<const lthash::RowChange> rows, Tally& tally) {
  rows_ = rows;
  tally.rows += rows.size();
  ByteView before = last_key_;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const ByteView key = rows[i].key;
    tally.key_bytes += key.size();
    tally.value_bytes += rows[i].new_value.size();
    if (rows[i].new_value.empty()) tally.empties += empty_element(key);
    Subtree row;
    row.rows = 1;
    row.link = before.empty() ? 0 : first_difference(before, key);
    row.begin = i;
    row.end = i + 1;
    push(std::move(row));
    before = key;
  }
  // Only now: subtrees that were joined first are hashed in fewer and longer spans.
  for (Subtree& subtree : waiting_) sum_up(subtree);
  rows_ = {};
  if (!before.empty()) last_key_ = to_bytes(before);
  while (fineness_.budget != 0 && cost_ > fineness_.budget) raise(2 * fineness_.leaf_rows);
}

void Joiner::add(Run run) {
  bool first = true;
  for (Subtree& subtree : run.subtrees) {
    if (first && !last_key_.empty()) subtree.link = first_difference(last_key_, subtree.key);
    first = false;
    cost_ += compare::cost(subtree.nodes);
    push(std::move(subtree));
  }
  last_key_ = std::move(run.last_key);
}

/// Keys ascend, so a subtree is complete once a key comes that differs from it in an earlier bit
/// than its two halves differ from each other.
void Joiner::push(Subtree next) {
  while (waiting_.size() > 1 && waiting_.back().link > next.link) {
    if (run_ && waiting_.size() == 2) {
      // The parent of the first subtree also covers rows before this run, which are unknown here.
      sum_up(waiting_.front());
      edge_.push_back(std::move(waiting_.front()));
      waiting_.erase(waiting_.begin());
    } else {
      join_last();
    }
  }
  waiting_.push_back(std::move(next));
}

void Joiner::join_last() {
  Subtree right = std::move(waiting_.back());
  waiting_.pop_back();
  Subtree& left = waiting_.back();
  if (left.rows + right.rows <= fineness_.leaf_rows) {
    join_small(left, right);
  } else {
    join_large(left, right);
  }
  left.rows += right.rows;
}

void Joiner::join_small(Subtree& left, Subtree& right) {
  if (right.sum) {
    sum_up(left);
    *left.sum += *right.sum;
  }
  // Rows that are not summed up yet are adjacent in the two halves.
  if (left.begin == left.end) left.begin = right.begin;
  if (right.begin != right.end) left.end = right.end;
}

void Joiner::join_large(Subtree& left, Subtree& right) {
  for (Subtree* half : {&left, &right}) {
    sum_up(*half);
    if (half->nodes.empty()) record(*half);
  }
  *left.sum += *right.sum;
  Node node{NodeKind::inner, KeyPrefix::of(left.key, right.link), left.rows + right.rows,
            left.sum->checksum(), 0};
  std::ranges::move(right.nodes, std::back_inserter(left.nodes));
  node.nodes = static_cast<std::uint32_t>(left.nodes.size() + 1);
  cost_ += compare::cost(node);
  left.nodes.push_back(std::move(node));
}

void Joiner::sum_up(Subtree& subtree) {
  if (subtree.begin == subtree.end) return;
  const auto rows = rows_.subspan(subtree.begin, subtree.end - subtree.begin);
  if (!subtree.sum) {
    subtree.sum = std::make_unique<LtHash>();
    subtree.key = to_bytes(rows.front().key);
  }
  lthash::accumulate(rows, *subtree.sum);
  for (const lthash::RowChange& row : rows) {
    if (row.new_value.empty()) *subtree.sum += empty_element(row.key);
  }
  subtree.begin = subtree.end = 0;
}

void Joiner::record(Subtree& subtree) {
  Node leaf{NodeKind::range, {}, subtree.rows, subtree.sum->checksum(), 1};
  if (subtree.rows == 1 && subtree.key.size() <= kMostKeyTold) {
    leaf.kind = NodeKind::row;
    leaf.prefix = KeyPrefix::whole(subtree.key);
  }
  cost_ += compare::cost(leaf);
  subtree.nodes.push_back(std::move(leaf));
}

void Joiner::end_run() {
  while (!run_ && waiting_.size() > 1) join_last();
  if (waiting_.empty()) return;
  Run run;
  std::ranges::move(edge_, std::back_inserter(run.subtrees));
  std::ranges::move(waiting_, std::back_inserter(run.subtrees));
  if (!run_ && run.subtrees.front().nodes.empty()) record(run.subtrees.front());
  run.last_key = std::move(last_key_);
  edge_.clear();
  waiting_.clear();
  last_key_.clear();
  done_.push_back(std::move(run));
}

std::vector<Run> Joiner::take() {
  end_run();
  cost_ = 0;
  return std::exchange(done_, {});
}

void Joiner::raise(std::uint64_t leaf_rows) {
  fineness_.leaf_rows = leaf_rows;
  cost_ = 0;
  const auto raise_all = [&](std::vector<Subtree>& subtrees) {
    for (Subtree& subtree : subtrees) {
      raise_one(subtree, leaf_rows);
      cost_ += compare::cost(subtree.nodes);
    }
  };
  raise_all(waiting_);
  raise_all(edge_);
  for (Run& run : done_) raise_all(run.subtrees);
}

}  // namespace flatkv::compare

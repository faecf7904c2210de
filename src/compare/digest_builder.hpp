// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>

#include "compare/digest_tree.hpp"
#include "lthash/batch.hpp"

// Builds the tree of a database in one pass over its rows. Several threads each see runs of
// adjacent rows; their results are merged at the end.
namespace flatkv::compare {

/// A complete node: no other row of the database has its prefix.
struct Subtree {
  std::uint64_t rows = 0;
  std::uint32_t link = 0;  ///< first bit in which it differs from the subtree before it
  std::size_t begin = 0;   ///< rows of the current batch that are not in `sum` yet
  std::size_t end = 0;
  std::unique_ptr<LtHash> sum;  ///< null while it has no rows
  Bytes key;                    ///< the first key; set with `sum`
  Nodes nodes;                  ///< empty while it has at most `leaf_rows` rows
};

/// The subtrees of a run, ascending, and the run's last key.
struct Run {
  std::vector<Subtree> subtrees;
  Bytes last_key;
};

/// Applies a larger `leaf_rows` to an ended run.
void raise(Run& run, std::uint64_t leaf_rows);
/// Of an ended run, in which every subtree is summed up.
Run copy_of(const Run& run);

/// Totals of the rows seen, independent of the tree.
struct Tally {
  std::uint64_t rows = 0;
  std::uint64_t key_bytes = 0;
  std::uint64_t value_bytes = 0;
  LtHash empties;  ///< of the rows that have no element in the state's hash

  Tally& operator+=(const Tally& other);
};

/// How fine a tree may be.
struct Fineness {
  std::uint64_t leaf_rows = 1;
  std::size_t budget = 0;  ///< leaf_rows grows while the nodes cost more than this; 0: it is fixed
};

/// Joins subtrees that arrive in key order. Memory: the nodes, and a sum of 2 KB for each node on
/// the path to the last key that waits for its right half. One thread.
class Joiner {
 public:
  /// `run`: there may be rows before the first and after the last, so a node is complete only if it
  /// touches neither end.
  Joiner(Fineness fineness, bool run) : fineness_(fineness), run_(run) {}

  /// Adds the next rows; their bytes are not needed afterwards.
  void add(std::span<const lthash::RowChange> rows, Tally& tally);
  /// Adds the next subtrees.
  void add(Run run);
  /// The next rows do not follow the previous ones.
  void end_run();
  /// All ended runs; if they cover all rows it is one run with one subtree, or none.
  std::vector<Run> take();

  std::uint64_t leaf_rows() const noexcept { return fineness_.leaf_rows; }
  void raise(std::uint64_t leaf_rows);
  /// The cost of all nodes held.
  std::size_t cost() const noexcept { return cost_; }

 private:
  void push(Subtree next);
  void join_last();
  void join_small(Subtree& left, Subtree& right);
  void join_large(Subtree& left, Subtree& right);
  void sum_up(Subtree& subtree);
  void record(Subtree& subtree);

  Fineness fineness_;
  bool run_;
  std::size_t cost_ = 0;
  std::vector<Subtree> waiting_;  ///< each but the first is linked at a later bit than the previous
  std::vector<Subtree> edge_;     ///< of a run: subtrees whose parents reach beyond its beginning
  std::vector<Run> done_;         ///< ended runs, kept here so that they count for the budget
  std::span<const lthash::RowChange> rows_;
  Bytes last_key_;
};

}  // namespace flatkv::compare

#pragma once

#include <memory>
#include <span>

#include "integrity/digest_tree.hpp"
#include "lthash/batch.hpp"

// Builds the tree of a database in one pass over its rows. Several threads each see runs of rows
// that follow one another; what they make of them is put together at the end.
namespace flatkv::integrity {

/// A node that is complete: no other row of the database has its prefix.
struct Subtree {
  std::uint64_t rows = 0;
  std::uint32_t link = 0;  ///< first bit in which it differs from the one before it
  std::size_t begin = 0;   ///< rows of the current batch that are not in `sum` yet
  std::size_t end = 0;
  std::unique_ptr<LtHash> sum;  ///< nothing while no row is in it
  Bytes key;                    ///< its first, once there is a sum
  Nodes nodes;                  ///< nothing while it has at most `leaf_rows` rows
};

/// The subtrees of a run, ascending, and its last key.
struct Run {
  std::vector<Subtree> subtrees;
  Bytes last_key;
};

/// Sums of what was seen, whatever the tree.
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
  std::size_t budget = 0;  ///< leaf_rows grows as the nodes cost more than this; 0: it is fixed
};

/// Joins subtrees that come in the order of their keys. Memory: a sum of 2 KB for each node on the
/// way to the last key that waits for its right half, and the nodes. One thread.
class Joiner {
 public:
  /// `run`: there may be rows before the first and after the last, so that only those nodes can be
  /// complete that have neither.
  Joiner(Fineness fineness, bool run) : fineness_(fineness), run_(run) {}

  /// The next rows; their bytes are not needed afterwards.
  void add(std::span<const lthash::RowChange> rows, Tally& tally);
  /// The next subtrees.
  void add(Run run);
  /// What follows does not continue what came before.
  void end_run();
  /// All runs that ended; of all rows there is one with one subtree, or none.
  std::vector<Run> take();

  std::uint64_t leaf_rows() const noexcept { return fineness_.leaf_rows; }
  void raise(std::uint64_t leaf_rows);
  /// Of all nodes made so far and still held.
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
  std::vector<Subtree> waiting_;  ///< each but the first linked further down than the one before
  std::vector<Subtree> edge_;     ///< of a run: those whose parents reach beyond its beginning
  std::vector<Run> done_;         ///< runs finished, kept here so that they stay within the budget
  std::span<const lthash::RowChange> rows_;
  Bytes last_key_;
};

}  // namespace flatkv::integrity

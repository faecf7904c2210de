// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "compare/digest_prefix.hpp"

// The tree of key ranges of one database (docs/formats.md). The keys alone decide where it splits:
// a node of more than one row holds all rows with a common prefix and splits at the first bit in
// which they differ. A node with at most `leaf_rows` rows is not split.
namespace flatkv::compare {

enum class NodeKind : std::uint8_t {
  range = 0,  ///< a leaf that does not list its keys
  row = 1,    ///< a leaf of one row; its prefix is the whole key
  inner = 2,  ///< two children; its prefix is what all its keys share
};

/// Leaves of one row do not list keys longer than this.
inline constexpr std::size_t kMostKeyTold = 128;

struct Node {
  NodeKind kind = NodeKind::range;
  KeyPrefix prefix;  ///< unused in a range
  std::uint64_t rows = 0;
  Digest checksum{};        ///< of the sum of the rows' elements
  std::uint32_t nodes = 1;  ///< of its subtree, itself included
};

/// Children before their parent, the lesser keys first: the root is the last. Empty without rows.
using Nodes = std::vector<Node>;

inline std::size_t right_child(std::size_t inner) { return inner - 1; }
inline std::size_t left_child(const Nodes& nodes, std::size_t inner) {
  return inner - 1 - nodes[inner - 1].nodes;
}

/// Bytes that count against a limit, without those of listed keys (see fit).
std::size_t cost(const Node& node) noexcept;
std::size_t cost(const Nodes& nodes) noexcept;

/// Turns the tree into the one with this `leaf_rows`, which must be greater than before.
void coarsen(Nodes& nodes, std::uint64_t leaf_rows);

/// Coarsens the tree to the least power of two, from `least` on, with which it costs at most
/// `budget`; returns that. A part of the rows never needs more than all rows, because an inner node
/// of a part is one of the whole. So each part of a scan can be limited by itself and the result
/// still follows from the rows alone. (Listed keys are left out of the cost, because for them this
/// would not hold.)
std::uint64_t fit(Nodes& nodes, std::uint64_t least, std::size_t budget);

}  // namespace flatkv::compare

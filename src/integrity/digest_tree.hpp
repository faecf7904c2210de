#pragma once

#include <vector>

#include "integrity/digest_prefix.hpp"

// The tree of key ranges of one database (docs/formats.md). Where it splits follows from the keys
// alone: a node of more than one row has all rows that share a beginning and splits at the first
// bit in which they differ. Those with at most `leaf_rows` rows are not split any further.
namespace flatkv::integrity {

enum class NodeKind : std::uint8_t {
  range = 0,  ///< a leaf whose keys are not told
  row = 1,    ///< a leaf of one row; its prefix is the whole key
  inner = 2,  ///< two children; its prefix is all that the keys have in common
};

/// Longer keys than this are not written out in leaves of one row.
inline constexpr std::size_t kMostKeyTold = 128;

struct Node {
  NodeKind kind = NodeKind::range;
  KeyPrefix prefix;  ///< not of a range
  std::uint64_t rows = 0;
  Digest checksum{};        ///< of the sum of the rows' elements
  std::uint32_t nodes = 1;  ///< of its subtree, itself counted
};

/// Children before their parent, the lesser keys first: the root is the last. Empty without rows.
using Nodes = std::vector<Node>;

inline std::size_t right_child(std::size_t inner) { return inner - 1; }
inline std::size_t left_child(const Nodes& nodes, std::size_t inner) {
  return inner - 1 - nodes[inner - 1].nodes;
}

/// Bytes that count against a limit; those of keys told in leaves come on top (see coarsen).
std::size_t cost(const Node& node) noexcept;
std::size_t cost(const Nodes& nodes) noexcept;

/// What the tree is with this `leaf_rows`, which is greater than what it was made with.
void coarsen(Nodes& nodes, std::uint64_t leaf_rows);

/// The least power of two, from `least` on, with which the tree costs at most `budget`; made so.
/// What a part of the rows needs is never more than what all need, so the parts of a scan can be
/// limited by themselves and the answer still follows from the rows alone: an inner node of a part
/// is one of the whole. (Keys told in leaves are left out of the cost: there it would not hold.)
std::uint64_t fit(Nodes& nodes, std::uint64_t least, std::size_t budget);

}  // namespace flatkv::integrity

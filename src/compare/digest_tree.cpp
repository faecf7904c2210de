// SPDX-License-Identifier: Apache-2.0
#include "compare/digest_tree.hpp"

#include <numeric>

namespace flatkv::compare {
namespace {

constexpr std::size_t kNodeBytes = 1 + 32 + 8;

}  // namespace

std::size_t cost(const Node& node) noexcept {
  return kNodeBytes + (node.kind == NodeKind::inner ? node.prefix.bytes.size() : 0);
}

std::size_t cost(const Nodes& nodes) noexcept {
  return std::accumulate(nodes.begin(), nodes.end(), std::size_t{0},
                         [](std::size_t sum, const Node& node) { return sum + cost(node); });
}

void coarsen(Nodes& nodes, std::uint64_t leaf_rows) {
  Nodes kept;
  for (Node& node : nodes) {
    if (node.kind != NodeKind::inner) {
      kept.push_back(std::move(node));
      continue;
    }
    const std::size_t right = kept.size() - 1;
    const std::size_t left = right - kept[right].nodes;
    if (node.rows > leaf_rows) {
      node.nodes = 1 + kept[left].nodes + kept[right].nodes;
      kept.push_back(std::move(node));
    } else {
      kept.resize(left + 1 - kept[left].nodes);
      kept.push_back({NodeKind::range, {}, node.rows, node.checksum, 1});
    }
  }
  nodes = std::move(kept);
}

std::uint64_t fit(Nodes& nodes, std::uint64_t least, std::size_t budget) {
  std::uint64_t leaf_rows = least;
  while (cost(nodes) > budget) {
    leaf_rows *= 2;
    coarsen(nodes, leaf_rows);
  }
  return leaf_rows;
}

}  // namespace flatkv::compare

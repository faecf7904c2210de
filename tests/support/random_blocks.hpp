// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "support/changes.hpp"

namespace flatkv::test {

using Random = std::mt19937_64;

inline std::uint64_t below(Random& random, std::uint64_t limit) { return random() % limit; }
inline bool one_in(Random& random, std::uint64_t n) { return below(random, n) == 0; }

template <class T>
T any_of(Random& random, std::initializer_list<T> values) {
  return *(values.begin() + static_cast<std::ptrdiff_t>(below(random, values.size())));
}

/// One of `all`, each as often as its `weight` says.
template <class Choice, std::size_t kCount>
const Choice& weighted(Random& random, const Choice (&all)[kCount]) {
  std::uint64_t total = 0;
  for (const Choice& one : all) total += one.weight;
  std::uint64_t at = below(random, total);
  const Choice* chosen = all;
  while (at >= chosen->weight) at -= (chosen++)->weight;
  return *chosen;
}

/// Operations of a random run that may be refused, and how often they were not.
inline std::map<std::string, int>& done_counts() {
  static std::map<std::string, int> counts;
  return counts;
}

/// The keys of random writes. Small pools make keys repeat: overwrites, deletes, re-creations.
struct Pools {
  std::uint64_t addresses = 40;
  std::uint64_t slots = 30;
  std::uint64_t legacy_keys = 60;
  std::uint64_t value_bytes = 40;  ///< longest ordinary value
};

/// An external key from the pools: of every kind, and legacy keys that look like something else.
Bytes random_key(Random& random, const Pools& pools);
/// A valid `apply` of up to `pairs` pairs, some in sets of other modules.
Changes random_changes(Random& random, const Pools& pools, std::uint64_t pairs);
/// An `apply` that must be refused: valid pairs around one fault.
Changes invalid_changes(Random& random, const Pools& pools);

/// The applies of block `version` of an endless script: the same for a seed in every process.
std::vector<Changes> script_block(std::uint64_t seed, std::int64_t version, const Pools& pools = {},
                                  std::uint64_t pairs = 12);

}  // namespace flatkv::test

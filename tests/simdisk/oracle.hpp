// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "support/model.hpp"
#include "support/random_blocks.hpp"

namespace flatkv::simdisk {

/// A version on a branch. A branch is named by its history: "" is the first, "<7" the one that left
/// it by a rollback to version 7.
struct Place {
  std::string branch;
  std::int64_t version = 0;

  /// Where the next block leads.
  Place next() const { return {branch, version + 1}; }
  /// Where a rollback to an older version leads.
  Place back_to(std::int64_t target) const {
    return {branch + "<" + std::to_string(target), target};
  }
  auto operator<=>(const Place&) const = default;
};

/// An endless script of blocks for every branch, and the model's state after each of them, computed
/// once. Thread-safe.
class Oracle {
 public:
  explicit Oracle(std::uint64_t seed) : seed_(seed) {}

  /// The applies of the block that leads to this place.
  std::vector<test::Changes> block(const Place& place) const;
  /// The state at a place; the reference stays valid.
  const test::State& at(const Place& place);

 private:
  /// The place on the older branch at which this place's branch left it.
  static Place root_of(Place place);

  std::uint64_t seed_;
  std::mutex mutex_;
  std::map<Place, test::State> known_;
};

/// FNV-1a: the same in every process.
std::uint64_t hash_of(std::string_view text);

}  // namespace flatkv::simdisk

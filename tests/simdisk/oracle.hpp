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

/// What a store must hold at a version. A branch is told by how it came to be: "" is the first, and
/// one that left it by going back to version 7 is "<7".
struct Place {
  std::string branch;
  std::int64_t version = 0;

  /// Where the next block leads to.
  Place next() const { return {branch, version + 1}; }
  /// After going back to an older version.
  Place back_to(std::int64_t target) const {
    return {branch + "<" + std::to_string(target), target};
  }
  auto operator<=>(const Place&) const = default;
};

/// The oracle: an endless script of blocks for every branch, and the model's state after each of
/// them, computed once. Thread-safe.
class Oracle {
 public:
  explicit Oracle(std::uint64_t seed) : seed_(seed) {}

  /// The applies of the block that leads to this place.
  std::vector<test::Changes> block(const Place& place) const;
  /// Stays where it is.
  const test::State& at(const Place& place);

 private:
  /// The place on the older branch, where a branch left it at or above this version.
  static Place root_of(Place place);

  std::uint64_t seed_;
  std::mutex mutex_;
  std::map<Place, test::State> known_;
};

/// FNV-1a: the same in every process.
std::uint64_t hash_of(std::string_view text);

}  // namespace flatkv::simdisk

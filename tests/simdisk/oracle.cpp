// SPDX-License-Identifier: Apache-2.0
#include "simdisk/oracle.hpp"

#include "base/assert.hpp"

namespace flatkv::simdisk {

using test::Changes;

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

namespace {

constexpr test::Pools kPools{6, 6, 12, 40};
constexpr std::size_t kLargeValue = 9000;  // larger than a segment in these tests

/// Removes every key that the pools are likely to have written.
Changes remove_much(std::uint64_t seed) {
  test::Random random(seed);
  Changes changes;
  for (int i = 0; i < 20; ++i) changes.remove(test::random_key(random, kPools));
  return changes;
}

}  // namespace

Place Oracle::root_of(Place place) {
  for (;;) {
    const std::size_t left = place.branch.rfind('<');
    if (left == std::string::npos) return place;
    if (place.version > std::stoll(place.branch.substr(left + 1))) return place;
    place.branch.resize(left);
  }
}

/// Of every eight blocks one is empty, one only removes, and one is larger than a segment.
std::vector<Changes> Oracle::block(const Place& place) const {
  const std::uint64_t seed = seed_ ^ hash_of(place.branch);
  const auto version = static_cast<std::uint64_t>(place.version);
  switch (version % 8) {
    case 3:
      return {};
    case 4:
      return {remove_much(seed + version)};
    case 5: {
      Changes large = test::script_block(seed, place.version, kPools, 4).empty()
                          ? Changes()
                          : test::script_block(seed, place.version, kPools, 4).front();
      large.module("evm").set(test::text("large"), Bytes(kLargeValue, std::uint8_t(version)));
      return {large};
    }
    default: {
      test::Random random(seed * 31 + version);
      return {test::random_changes(random, kPools, 14), test::random_changes(random, kPools, 8)};
    }
  }
}

const test::State& Oracle::at(const Place& asked) {
  const std::lock_guard guard(mutex_);
  const Place place = root_of(asked);
  const auto found = known_.find(place);
  if (found != known_.end()) return found->second;
  FLATKV_ASSERT(place.version >= 0);
  // Upwards from a known state, so that no recursion is deeper than a branch.
  Place from = place;
  test::Model model;
  while (from.version > 0) {
    from = root_of({from.branch, from.version - 1});
    const auto known = known_.find(from);
    if (known == known_.end()) continue;
    model.go_back(known->second);
    break;
  }
  if (from.version == 0) known_.emplace(root_of(from), model.committed());
  for (std::int64_t version = from.version + 1; version <= place.version; ++version) {
    const Place step = root_of({place.branch, version});
    for (const Changes& changes : block(step)) FLATKV_ASSERT(model.apply(changes));
    model.commit();
    known_.emplace(step, model.committed());
  }
  return known_.at(place);
}

}  // namespace flatkv::simdisk

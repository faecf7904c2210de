// SPDX-License-Identifier: Apache-2.0
#include "commit/recent_states.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"

namespace flatkv::commit {
namespace {

using Buffers = PerDataDatabase<std::shared_ptr<memtable::Memtable>>;

Buffers new_buffers() {
  Buffers buffers;
  for (auto& buffer : buffers) buffer = std::make_shared<memtable::Memtable>();
  return buffers;
}

std::shared_ptr<state::State> state_at(std::int64_t version, const Buffers& active) {
  auto state = std::make_shared<state::State>();
  state->version = version;
  for (const Database database : kDataDatabases) {
    state->of(database).version = version;
    state->of(database).active = active[database];
  }
  return state;
}

class Recent : public testing::Test {
 protected:
  RecentStates::Dropped push(RecentStates& to, std::int64_t version) {
    return to.push(state_at(version, buffers_), *holds_);
  }
  static void expect_range(const RecentStates& states, std::int64_t first, std::int64_t last) {
    const auto range = states.range();
    ASSERT_TRUE(range);
    EXPECT_EQ(*range, std::pair(first, last));
    EXPECT_EQ(states.size(), static_cast<std::uint64_t>(last - first + 1));
    EXPECT_EQ(states.find(first - 1), nullptr);
    EXPECT_EQ(states.find(last + 1), nullptr);
    for (std::int64_t version = first; version <= last; ++version) {
      const auto found = states.find(version);
      ASSERT_TRUE(found);
      EXPECT_EQ(found->version, version);
    }
  }
  static void expect_none(const RecentStates& states) {
    EXPECT_EQ(states.range(), std::nullopt);
    EXPECT_EQ(states.size(), 0U);
    EXPECT_EQ(states.find(1), nullptr);
  }

  std::shared_ptr<state::Holds> holds_ = std::make_shared<state::Holds>();
  Buffers buffers_ = new_buffers();
};

TEST_F(Recent, AsManyAreKeptAsWereAskedFor) {
  for (const std::int64_t most : {1, 2, 5}) {
    RecentStates states(static_cast<std::uint64_t>(most));
    for (std::int64_t version = 7; version < 20; ++version) {
      // The state and what holds its buffers.
      EXPECT_EQ(push(states, version).size(), version < 7 + most ? 0U : 2U);
      expect_range(states, std::max<std::int64_t>(7, version - most + 1), version);
    }
  }
  RecentStates none(0);
  EXPECT_TRUE(push(none, 7).empty());
  expect_none(none);
}

TEST_F(Recent, AStateOfNoOneVersionIsNotTaken) {
  RecentStates states(5);
  static_cast<void>(push(states, 7));
  const auto between = state_at(8, buffers_);
  between->of(Database::legacy).version = 9;
  EXPECT_TRUE(states.push(between, *holds_).empty());
  expect_range(states, 7, 7);
}

TEST_F(Recent, WhatIsBelowAGapIsDropped) {
  RecentStates states(5);
  for (const std::int64_t version : {7, 8, 9}) static_cast<void>(push(states, version));
  EXPECT_EQ(push(states, 11).size(), 6U);
  expect_range(states, 11, 11);
}

TEST_F(Recent, AnUndoDropsFromItsVersionOn) {
  RecentStates states(5);
  for (std::int64_t version = 1; version <= 5; ++version) static_cast<void>(push(states, version));
  EXPECT_TRUE(states.drop_from(6).empty());
  EXPECT_EQ(states.drop_from(4).size(), 4U);
  expect_range(states, 1, 3);
  static_cast<void>(push(states, 4));
  expect_range(states, 1, 4);
  static_cast<void>(states.drop_from(1));
  expect_none(states);
}

TEST_F(Recent, TheEndDropsAllAndTakesNothingMore) {
  RecentStates states(5);
  for (const std::int64_t version : {1, 2}) static_cast<void>(push(states, version));
  EXPECT_EQ(states.end().size(), 4U);
  expect_none(states);
  EXPECT_TRUE(push(states, 3).empty());
  expect_none(states);
}

TEST_F(Recent, ThoseOfTheOldestBuffersAreShedTogether) {
  RecentStates states(9);
  EXPECT_TRUE(states.shed().empty());
  for (const std::int64_t version : {1, 2}) static_cast<void>(push(states, version));
  const Buffers later = new_buffers();
  // Frozen, the first buffers are still the oldest of this state.
  const auto third = state_at(3, later);
  for (const Database database : kDataDatabases) {
    third->of(database).frozen = {new_buffers()[database], buffers_[database]};
  }
  static_cast<void>(states.push(third, *holds_));
  static_cast<void>(states.push(state_at(4, later), *holds_));
  EXPECT_EQ(states.shed().size(), 6U);
  expect_range(states, 4, 4);
  EXPECT_EQ(states.shed().size(), 2U);
  expect_none(states);
}

TEST_F(Recent, TheirBuffersAreChargedToWhoHoldsThem) {
  RecentStates states(5);
  const ByteView key = as_bytes("a");
  buffers_[Database::code]->insert({.key = key, .hash = 1, .value = key}, 1);
  static_cast<void>(push(states, 1));
  const auto current = state_at(2, new_buffers());
  const std::uint64_t bytes = holds_->kept(*current).by_recent_alone;
  EXPECT_GT(bytes, 0U);
  const auto other = std::make_shared<state::Holds>();
  states.hold_by(*other);
  EXPECT_EQ(holds_->kept(*current).by_recent_alone, 0U);
  EXPECT_EQ(other->kept(*current).by_recent_alone, bytes);
  static_cast<void>(states.end());
  EXPECT_EQ(other->kept(*current).by_recent_alone, 0U);
}

}  // namespace
}  // namespace flatkv::commit

// SPDX-License-Identifier: Apache-2.0
#include "topic/chains.hpp"

#include <gtest/gtest.h>

namespace flatkv::topic::test {
namespace {

/// Records that continue one another, each with its own digest.
std::vector<Seen> records(std::uint8_t topic, std::size_t count) {
  std::vector<Seen> made;
  for (std::size_t i = 0; i < count; ++i) {
    wire::Header header;
    header.topic.fill(topic);
    header.sequence = i;
    header.kind = i == 0 ? wire::Kind::begin : wire::Kind::block;
    header.version = static_cast<std::int64_t>(i);
    if (i != 0) header.previous = made.back().header.digest;
    header.digest = wire::record_digest(header);
    made.push_back({.header = header, .next_offset = 0, .payload = {}});
  }
  return made;
}

/// Their sequences, as they come out.
std::vector<std::uint64_t> merged(std::vector<Seen> seen, std::uint8_t topic = 1) {
  Chains chains;
  std::int64_t offset = 0;
  for (Seen& one : seen) {
    one.next_offset = ++offset;
    chains.add(one);
  }
  std::vector<std::uint64_t> sequences;
  for (const Seen& one : chains.merge()) {
    EXPECT_EQ(one.header.topic.front(), topic);
    sequences.push_back(one.header.sequence);
  }
  EXPECT_TRUE(chains.merge().empty());
  return sequences;
}

using Sequences = std::vector<std::uint64_t>;

TEST(Chains, WhatIsForeignIsLeftOutWhereverItLies) {
  const auto own = records(1, 6);
  const auto foreign = records(2, 2);
  EXPECT_EQ(merged({}), Sequences{});
  EXPECT_EQ(merged(own), (Sequences{0, 1, 2, 3, 4, 5}));
  for (std::size_t at = 0; at <= own.size(); ++at) {
    auto both = own;
    both.insert(both.begin() + static_cast<std::ptrdiff_t>(at), foreign.begin(), foreign.end());
    EXPECT_EQ(merged(both), (Sequences{0, 1, 2, 3, 4, 5})) << at;
  }
}

TEST(Chains, WhatComesTwiceCountsOnce) {
  const auto own = records(1, 6);
  for (std::size_t which = 0; which < own.size(); ++which) {
    for (std::size_t at = which; at <= own.size(); ++at) {
      auto twice = own;
      twice.insert(twice.begin() + static_cast<std::ptrdiff_t>(at), own[which]);
      EXPECT_EQ(merged(twice), (Sequences{0, 1, 2, 3, 4, 5})) << which << " at " << at;
    }
  }
}

TEST(Chains, WhatIsBeforeAndBehindALossIsThere) {
  auto own = records(1, 7);
  own.erase(own.begin() + 4);
  EXPECT_EQ(merged(own), (Sequences{0, 1, 2, 3, 5, 6}));
  own.erase(own.begin() + 1);
  EXPECT_EQ(merged(own), (Sequences{0, 2, 3, 5, 6}));
}

TEST(Chains, ARecordThatOnlyClaimsToFollowBeginsAChain) {
  auto own = records(1, 4);
  Seen liar = own[3];
  liar.header.sequence = 2;  // with the digest of record 2 before it
  liar.header.digest = wire::record_digest(liar.header);
  own.insert(own.begin() + 3, liar);
  EXPECT_EQ(merged(own), (Sequences{0, 1, 2, 3}));
}

}  // namespace
}  // namespace flatkv::topic::test

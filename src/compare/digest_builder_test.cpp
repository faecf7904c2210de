// SPDX-License-Identifier: Apache-2.0
#include "compare/digest_builder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "base/endian.hpp"
#include "blake3/blake3.hpp"

// The tree against its definition, in whatever pieces the rows arrive.
namespace flatkv::compare {
namespace {

using Rows = std::map<std::string, std::string>;
using Random = std::mt19937_64;

/// Keys with everything that makes trees lopsided: one prefix for most, keys that are prefixes of
/// others, zeros at the end, and one bit of difference far down.
std::string random_key(Random& random) {
  static const std::string contract(20, '\x5a');
  std::string key;
  switch (random() % 5) {
    case 0:
      for (int i = 0; i < 20; ++i) key += static_cast<char>(random());
      return key;
    case 1:
      key = contract + std::string(31, '\0');
      key.back() = static_cast<char>(random() % 3);
      return key + static_cast<char>(random());
    case 2:
      return std::string(1 + random() % 40, 'a');
    case 3:
      return "a" + std::string(random() % 40, '\0');
    default:
      key = std::string(200, 'x');
      key[150 + random() % 50] = static_cast<char>('x' ^ (1U << (random() % 8)));
      return key;
  }
}

Rows random_rows(Random& random, std::size_t count) {
  Rows rows;
  for (std::size_t i = 0; i < count; ++i) {
    rows[random_key(random)] = random() % 4 == 0 ? "" : std::to_string(random());
  }
  return rows;
}

LtHash plain_element(const std::string& key, const std::string& value) {
  Bytes input(4);
  store_le(input.data(), static_cast<std::uint32_t>(key.size()));
  append(input, as_bytes(key));
  input.resize(input.size() + 4);
  store_le(input.data() + input.size() - 4, static_cast<std::uint32_t>(value.size()));
  append(input, as_bytes(value));
  std::array<std::uint8_t, LtHash::kBytes> out{};
  blake3::Hasher().update(input).finalize_xof(0, out);
  return LtHash::deserialize(out);
}

/// The definition, from the top down.
LtHash plain_tree(Rows::const_iterator first, Rows::const_iterator last, std::uint64_t leaf_rows,
                  Nodes& nodes) {
  const auto count = static_cast<std::uint64_t>(std::distance(first, last));
  const std::size_t before = nodes.size();
  LtHash sum;
  Node node;
  if (count <= leaf_rows) {
    for (auto row = first; row != last; ++row) sum += plain_element(row->first, row->second);
    if (count == 1 && first->first.size() <= kMostKeyTold) {
      node.kind = NodeKind::row;
      node.prefix = KeyPrefix::whole(as_bytes(first->first));
    }
  } else {
    const ByteView low = as_bytes(first->first);
    const std::uint32_t bit = first_difference(low, as_bytes(std::prev(last)->first));
    const auto middle = std::find_if(
        first, last, [&](const auto& row) { return bit_of(as_bytes(row.first), bit); });
    sum = plain_tree(first, middle, leaf_rows, nodes);
    sum += plain_tree(middle, last, leaf_rows, nodes);
    node.kind = NodeKind::inner;
    node.prefix = KeyPrefix::of(low, bit);
  }
  node.rows = count;
  node.checksum = sum.checksum();
  node.nodes = static_cast<std::uint32_t>(nodes.size() - before + 1);
  nodes.push_back(std::move(node));
  return sum;
}

Nodes plain_tree(const Rows& rows, std::uint64_t leaf_rows) {
  Nodes nodes;
  if (!rows.empty()) plain_tree(rows.begin(), rows.end(), leaf_rows, nodes);
  return nodes;
}

void expect_same(const Nodes& found, const Nodes& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].kind, wanted[i].kind) << i;
    EXPECT_EQ(found[i].prefix, wanted[i].prefix) << i;
    EXPECT_EQ(found[i].rows, wanted[i].rows) << i;
    EXPECT_EQ(found[i].checksum, wanted[i].checksum) << i;
    EXPECT_EQ(found[i].nodes, wanted[i].nodes) << i;
  }
}

/// Shows rows as a scan on several threads would: runs anywhere, batches of any size, and each
/// joiner gets its runs in no order.
Nodes built(Random& random, const Rows& rows, Fineness fineness, std::size_t joiners,
            std::uint64_t* chosen = nullptr) {
  std::vector<lthash::RowChange> all;
  for (const auto& [key, value] : rows) all.push_back({as_bytes(key), {}, as_bytes(value)});
  std::vector<std::size_t> cuts = {0, all.size()};
  for (std::size_t i = 1; i < joiners * 2; ++i) cuts.push_back(random() % (all.size() + 1));
  std::ranges::sort(cuts);
  std::vector<std::span<const lthash::RowChange>> runs;
  for (std::size_t i = 1; i < cuts.size(); ++i) {
    runs.push_back(std::span(all).subspan(cuts[i - 1], cuts[i] - cuts[i - 1]));
  }
  std::ranges::shuffle(runs, random);

  std::vector<Joiner> makers;
  for (std::size_t i = 0; i < joiners; ++i) makers.emplace_back(fineness, true);
  Tally tally;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    Joiner& joiner = makers[i % joiners];
    joiner.end_run();
    for (auto rest = runs[i]; !rest.empty();) {
      const std::size_t size = std::min<std::size_t>(rest.size(), 1 + random() % 100);
      joiner.add(rest.first(size), tally);
      rest = rest.subspan(size);
    }
  }
  EXPECT_EQ(tally.rows, rows.size());
  std::uint64_t leaf_rows = fineness.leaf_rows;
  for (const Joiner& joiner : makers) leaf_rows = std::max(leaf_rows, joiner.leaf_rows());
  std::vector<Run> parts;
  for (Joiner& joiner : makers) {
    joiner.end_run();
    joiner.raise(leaf_rows);
    std::ranges::move(joiner.take(), std::back_inserter(parts));
  }
  std::ranges::sort(parts, [](const Run& a, const Run& b) {
    return compare_bytes(a.subtrees.front().key, b.subtrees.front().key) < 0;
  });
  Joiner whole({leaf_rows, 0}, false);
  for (Run& part : parts) whole.add(std::move(part));
  auto done = whole.take();
  if (done.empty()) return {};
  EXPECT_EQ(done.size(), 1U);
  EXPECT_EQ(done.front().subtrees.size(), 1U);
  Nodes nodes = std::move(done.front().subtrees.front().nodes);
  if (fineness.budget != 0) leaf_rows = fit(nodes, leaf_rows, fineness.budget);
  if (chosen != nullptr) *chosen = leaf_rows;
  return nodes;
}

TEST(DigestTree, IsItsDefinitionHoweverTheRowsCome) {
  Random random(1);
  for (int round = 0; round < 20; ++round) {
    const Rows rows = random_rows(random, random() % 400);
    for (const std::uint64_t leaf_rows : {1UL, 2UL, 3UL, 16UL, 1000UL}) {
      const Nodes wanted = plain_tree(rows, leaf_rows);
      for (const std::size_t joiners : {1UL, 2UL, 7UL}) {
        expect_same(built(random, rows, {leaf_rows, 0}, joiners), wanted);
      }
    }
  }
}

TEST(DigestTree, ItsFinenessFollowsFromTheRowsAlone) {
  Random random(2);
  for (int round = 0; round < 6; ++round) {
    const Rows rows = random_rows(random, 300 + random() % 1500);
    for (const std::size_t budget : {500UL, 3000UL, 20'000UL, 200'000UL}) {
      std::uint64_t wanted = 1;
      Nodes tree = plain_tree(rows, wanted);
      while (cost(tree) > budget) tree = plain_tree(rows, wanted *= 2);
      for (const std::size_t joiners : {1UL, 3UL, 8UL}) {
        std::uint64_t chosen = 0;
        const Nodes nodes = built(random, rows, {1, budget}, joiners, &chosen);
        EXPECT_EQ(chosen, wanted);
        expect_same(nodes, tree);
      }
    }
  }
}

TEST(DigestTree, CoarsenIsTheTreeOfLargerLeaves) {
  Random random(3);
  const Rows rows = random_rows(random, 500);
  for (const std::uint64_t leaf_rows : {2UL, 8UL, 64UL, 4096UL}) {
    Nodes nodes = plain_tree(rows, 1);
    coarsen(nodes, leaf_rows);
    expect_same(nodes, plain_tree(rows, leaf_rows));
  }
}

TEST(DigestPrefix, HoldsTheKeysThatBeginSo) {
  Random random(4);
  for (int round = 0; round < 20'000; ++round) {
    const std::string key = random_key(random);
    const std::string other = random_key(random);
    if (key == other) continue;
    const std::uint32_t bit = first_difference(as_bytes(key), as_bytes(other));
    EXPECT_NE(bit_of(as_bytes(key), bit), bit_of(as_bytes(other), bit));
    EXPECT_EQ(bit_of(as_bytes(other), bit), key < other);
    const KeyPrefix both = KeyPrefix::of(as_bytes(key), bit);
    EXPECT_TRUE(both.well_formed());
    EXPECT_EQ(both, KeyPrefix::of(as_bytes(other), bit));
    const KeyPrefix mine = both.child(bit_of(as_bytes(key), bit));
    const KeyPrefix whole = KeyPrefix::whole(as_bytes(key));
    EXPECT_TRUE(mine.well_formed());
    EXPECT_TRUE(both.contains(mine));
    EXPECT_TRUE(mine.contains(whole));
    EXPECT_FALSE(mine.contains(both));
    EXPECT_FALSE(mine.contains(KeyPrefix::whole(as_bytes(other))));
    EXPECT_EQ(common_bits(whole, KeyPrefix::whole(as_bytes(other))), bit);
    const auto lies_in = [](const KeyPrefix& prefix, const std::string& which) {
      const auto end = prefix.end();
      return compare_bytes(prefix.first(), as_bytes(which)) <= 0 &&
             (!end || compare_bytes(as_bytes(which), *end) < 0);
    };
    EXPECT_TRUE(lies_in(both, key) && lies_in(both, other));
    EXPECT_TRUE(lies_in(mine, key));
    EXPECT_FALSE(lies_in(mine, other));
    EXPECT_TRUE(lies_in(whole, key));
    EXPECT_FALSE(lies_in(whole, key + std::string(1, '\0')));
  }
}

}  // namespace
}  // namespace flatkv::compare

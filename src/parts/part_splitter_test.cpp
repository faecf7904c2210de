// SPDX-License-Identifier: Apache-2.0
#include "parts/part_splitter.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/bytes.hpp"
#include "compare/digest_prefix.hpp"

namespace flatkv::parts {
namespace {

using Rows = std::map<Bytes, Bytes>;
using Part = std::vector<Bytes>;  // keys

constexpr std::uint64_t kLimit = 400;

std::vector<Part> split(const Rows& rows, std::uint64_t limit = kLimit) {
  std::vector<Part> parts;
  PartSplitter splitter(
      [&](const scan::RowBuffer& part) -> Status {
        parts.emplace_back();
        for (std::size_t row = 0; row < part.size(); ++row) {
          EXPECT_EQ(to_bytes(part.value(row)), rows.at(to_bytes(part.key(row))));
          parts.back().push_back(to_bytes(part.key(row)));
        }
        return {};
      },
      limit);
  for (const auto& [key, value] : rows) EXPECT_TRUE(splitter.add(key, value));
  EXPECT_TRUE(splitter.end());
  return parts;
}

std::uint64_t bytes_of(const Rows& rows) {
  std::uint64_t bytes = 0;
  for (const auto& [key, value] : rows) bytes += 8 + key.size() + value.size();
  return bytes;
}

/// As docs/formats.md says it: from the top down, a node within the limit is a part.
void from_the_top(const Rows& rows, std::uint32_t bit, std::vector<Part>& parts) {
  if (rows.empty()) return;
  if (bytes_of(rows) <= kLimit || rows.size() == 1) {
    Part& part = parts.emplace_back();
    for (const auto& [key, value] : rows) part.push_back(key);
    return;
  }
  Rows halves[2];
  for (const auto& [key, value] : rows)
    halves[compare::bit_of(key, bit) ? 1 : 0].emplace(key, value);
  for (const Rows& half : halves) from_the_top(half, bit + 1, parts);
}

void expect_as_written(const Rows& rows) {
  std::vector<Part> parts;
  from_the_top(rows, 0, parts);
  EXPECT_EQ(split(rows), parts);
}

TEST(PartSplitter, AsTheFormatSays) {
  std::minstd_rand random(7);
  const auto byte = [&](unsigned below) { return static_cast<std::uint8_t>(random() % below); };
  for (int round = 0; round < 300; ++round) {
    Rows rows;
    const unsigned letters = 1 + byte(255);
    const std::size_t most = 1 + random() % 12;
    for (auto i = random() % 300; i > 0; --i) {
      Bytes key(1 + random() % most);
      for (std::uint8_t& one : key) one = byte(letters);
      rows[key] = Bytes(random() % (round % 5 == 0 ? 500 : 40), byte(255));
    }
    SCOPED_TRACE(round);
    expect_as_written(rows);
    if (HasFailure()) return;
  }
}

TEST(PartSplitter, HardKeys) {
  Rows chain;  // each key begins the next: one row a level
  for (std::size_t size = 1; size < 100; ++size) chain[Bytes(size, 0)] = Bytes(20);
  expect_as_written(chain);
  Rows comb;  // the same from the other side
  for (std::size_t at = 0; at < 60; ++at) {
    Bytes key(60, 0);
    key[at] = 1;
    comb[key] = Bytes(20);
  }
  expect_as_written(comb);
  expect_as_written({});
  expect_as_written({{{1}, Bytes(1000)}});
  expect_as_written({{{1}, {}}, {{2}, Bytes(1000)}, {{3}, {}}});
}

TEST(PartSplitter, OneRowMovesNoOtherRange) {
  Rows rows;
  std::minstd_rand random(1);
  for (int i = 0; i < 2000; ++i) {
    Bytes key(8);
    for (std::uint8_t& one : key) one = static_cast<std::uint8_t>(random());
    rows[key] = Bytes(8);
  }
  const std::vector<Part> before = split(rows, 4096);
  ASSERT_GT(before.size(), 8U);
  rows.erase(rows.begin());
  std::vector<Part> after = split(rows, 4096);
  EXPECT_EQ(std::vector(before.end() - 4, before.end()), std::vector(after.end() - 4, after.end()));
}

}  // namespace
}  // namespace flatkv::parts

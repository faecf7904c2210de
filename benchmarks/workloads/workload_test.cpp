// SPDX-License-Identifier: Apache-2.0
#include "workloads/workload.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "flatkv/bytes.hpp"
#include "workloads/series.hpp"

namespace flatkv::bench {
namespace {

struct Seen {
  std::vector<std::string> load;
  std::vector<std::string> blocks;
};

std::string text(const Block& block) {
  std::string all;
  for (const ByteView key : block.reads) all += "r" + to_hex(key);
  for (const KVPair& pair : block.writes) all += "w" + to_hex(pair.key) + to_hex(pair.value);
  return all;
}

Seen see(Workload& workload, int blocks) {
  Seen seen;
  Block block;
  while (workload.load(block)) seen.load.push_back(text(block));
  for (int i = 0; i < blocks; ++i) {
    workload.next(block);
    seen.blocks.push_back(text(block));
  }
  return seen;
}

Shape small(std::uint64_t seed) {
  return {.rows = 300, .writes = 40, .update_percent = 50, .seed = seed};
}

TEST(Workloads, TheSeedFixesEveryByte) {
  for (const Description& known : workloads()) {
    const std::string name(known.name);
    const Seen one = see(*make_workload(name, small(1)), 3);
    const Seen again = see(*make_workload(name, small(1)), 3);
    const Seen other = see(*make_workload(name, small(2)), 3);
    EXPECT_EQ(one.load, again.load) << name;
    EXPECT_EQ(one.blocks, again.blocks) << name;
    EXPECT_NE(one.load, other.load) << name;
    EXPECT_NE(one.blocks, other.blocks) << name;
    EXPECT_NE(one.blocks[0], one.blocks[1]) << name;
  }
}

TEST(Workloads, LoadsAsManyRowsAsItSays) {
  for (const Description& known : workloads()) {
    const auto workload = make_workload(known.name, small(1));
    std::set<std::string> keys;
    Block block;
    while (workload->load(block)) {
      for (const KVPair& pair : block.writes) keys.insert(to_hex(pair.key));
    }
    EXPECT_EQ(keys.size(), workload->rows()) << known.name;
  }
}

TEST(Workloads, UpdatesAreOfRowsThatAreThere) {
  for (const unsigned percent : {0U, 50U, 100U}) {
    Shape shape = small(1);
    shape.update_percent = percent;
    const auto workload = make_workload("slots", shape);
    std::set<std::string> known;
    Block block;
    while (workload->load(block)) {
      for (const KVPair& pair : block.writes) known.insert(to_hex(pair.key));
    }
    std::size_t updates = 0;
    std::size_t writes = 0;
    for (int i = 0; i < 50; ++i) {
      workload->next(block);
      for (const KVPair& pair : block.writes) {
        if (!known.insert(to_hex(pair.key)).second) ++updates;
        ++writes;
      }
    }
    EXPECT_NEAR(static_cast<double>(updates) / static_cast<double>(writes), percent / 100.0, 0.05);
  }
}

TEST(Workloads, StreamsOfOneStateUpdateItsRowsAndAddOthers) {
  Shape shape = small(1);
  const auto first = make_workload("slots", shape);
  std::set<std::string> loaded;
  Block block;
  while (first->load(block)) {
    for (const KVPair& pair : block.writes) loaded.insert(to_hex(pair.key));
  }
  std::set<std::string> of_others;
  for (const std::uint64_t stream : {1U, 2U}) {
    std::set<std::string> added;
    shape.stream = stream;
    const auto workload = make_workload("slots", shape);
    workload->skip_load();
    std::size_t updates = 0;
    workload->next(block);
    for (const KVPair& pair : block.writes) {
      const std::string key = to_hex(pair.key);
      if (loaded.contains(key)) {
        ++updates;
      } else {
        EXPECT_FALSE(of_others.contains(key));
        added.insert(key);
      }
    }
    EXPECT_GT(updates, 5U);
    EXPECT_GT(added.size(), 5U);
    of_others.merge(added);
  }
}

TEST(Workloads, ARecordingIsReplayedSideBySide) {
  const auto record = [] {
    std::vector<Block> recorded(3);
    for (std::size_t i = 0; i < recorded.size(); ++i) {
      const auto key = recorded[i].bytes(21);
      std::ranges::fill(key, std::uint8_t{9});
      const auto value = recorded[i].bytes(8);
      std::ranges::fill(value, static_cast<std::uint8_t>(i));
      recorded[i].writes.push_back({key, value});
    }
    return recorded;
  };
  const auto workload = replay(record(), 2);
  EXPECT_EQ(workload->rows(), 2U);
  const Seen seen = see(*workload, 5);
  ASSERT_EQ(seen.load.size(), 2U);
  EXPECT_NE(seen.load[0], seen.load[1]);
  EXPECT_NE(seen.blocks[0], seen.blocks[2]);  // the same block of the other chain
  EXPECT_EQ(seen.blocks[0].substr(0, 20), seen.blocks[2].substr(0, 20));
  EXPECT_EQ(seen.blocks[0], seen.blocks[4]);  // and then again from the first
}

TEST(Workloads, UnknownNames) {
  EXPECT_EQ(make_workload("nothing", {}), nullptr);
  EXPECT_EQ(complete("transfer", {}).writes, 10'000U);
  EXPECT_EQ(complete("slots", {.rows = 5}).rows, 5U);
}

TEST(Series, TellsPercentilesStallsAndTheirCauses) {
  Series series;
  for (std::uint64_t i = 1; i <= 200; ++i) {
    PhaseTimes times{};
    times.of(Phase::read) = i;
    times.of(Phase::wait) = i == 200 ? 5000 : 0;
    series.add(times, {.flushing = i == 200}, i == 200 ? 1 : 0);
  }
  EXPECT_EQ(series.block().p50, 101);
  EXPECT_EQ(series.block().p99, 199);
  EXPECT_EQ(series.block().max, 5200);
  EXPECT_EQ(series.phase(Phase::wait).p99, 0);
  EXPECT_EQ(series.longest(), 199U);
  const Series::Tail tail = series.tail();
  EXPECT_EQ(tail.blocks, 2U);
  EXPECT_EQ(tail.flushing, 1U);
  EXPECT_EQ(tail.lost_the_core, 1U);
  EXPECT_EQ(tail.excess[static_cast<std::size_t>(Phase::wait)], 2500U);
}

}  // namespace
}  // namespace flatkv::bench

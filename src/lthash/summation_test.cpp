// SPDX-License-Identifier: Apache-2.0
#include "lthash/summation.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

#include <array>
#include <random>
#include <thread>
#include <vector>

#include "lthash/hashing_share.hpp"

namespace flatkv::lthash {
namespace {

struct Row {
  Bytes key;
  Bytes old_value;
  Bytes new_value;
  RowChange change() const { return {key, old_value, new_value}; }
};

/// Small rows, rows absent before or after, unchanged rows, and sometimes a large one.
std::vector<Row> rows(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto bytes = [&](std::size_t size) {
    Bytes result(size);
    for (auto& byte : result) byte = static_cast<std::uint8_t>(random());
    return result;
  };
  std::vector<Row> result(count);
  for (Row& row : result) {
    static constexpr std::size_t kValues[] = {0, 32, 32, 32, 72, 72, 900, 5000};
    row.key = bytes(random() % 2 == 0 ? 20 : 52);
    row.old_value = bytes(kValues[random() % std::size(kValues)]);
    row.new_value =
        random() % 8 == 0 ? row.old_value : bytes(kValues[random() % std::size(kValues)]);
  }
  return result;
}

LtHash serial(const std::vector<Row>& rows) {
  LtHash sum;
  for (const Row& row : rows) {
    const RowChange change = row.change();
    accumulate({&change, 1}, sum);
  }
  return sum;
}

class Threads : public testing::TestWithParam<std::size_t> {
 protected:
  const std::shared_ptr<HashingShare> share_ = std::make_shared<HashingShare>(nullptr, GetParam());
};

TEST_P(Threads, SumsEqualThoseOfOneThreadWhateverTheirSizes) {
  Summation summation(share_);
  for (const std::size_t large : {0U, 1U, 40U, 64U, 65U, 1500U}) {
    const std::array<std::size_t, 5> counts = {large, large / 10, 3, 0, large / 2};
    std::array<std::vector<Row>, 5> data;
    std::array<LtHash, 5> sums;
    std::array<LtHash, 5> expected;
    for (std::size_t i = 0; i < 5; ++i) {
      data[i] = rows(counts[i], static_cast<std::uint32_t>(large + i));
      expected[i] = serial(data[i]);
      sums[i].limbs()[5] = 99;  // the sum adds to what was there
      expected[i].limbs()[5] = static_cast<std::uint16_t>(expected[i].limbs()[5] + 99);
    }
    for (std::size_t row = 0; row < large + 3; ++row) {  // in turn, as a block's come
      for (std::size_t i = 0; i < 5; ++i) {
        if (row < data[i].size()) summation.add(sums[i], data[i][row].change());
      }
    }
    summation.wait();
    EXPECT_EQ(sums, expected) << large;
  }
}

// A row may cost more than all that is otherwise hashed at a time.
TEST_P(Threads, HugeRowsAmongSmallOnes) {
  auto data = rows(400, 11);
  for (const std::size_t at : {0U, 1U, 90U, 250U, 399U}) data[at].new_value.assign(100'000, 5);
  Summation summation(share_);
  LtHash sum;
  for (const Row& row : data) summation.add(sum, row.change());
  summation.wait();
  EXPECT_EQ(sum, serial(data));
}

TEST_P(Threads, PartsThatAreNotFullMayBeHandedOver) {
  const auto data = rows(500, 9);
  Summation summation(share_);
  std::array<LtHash, 50> sums;
  std::array<LtHash, 50> expected;
  for (std::size_t i = 0; i < 50; ++i) {
    const std::vector<Row> own(data.begin() + static_cast<std::ptrdiff_t>(10 * i),
                               data.begin() + static_cast<std::ptrdiff_t>(10 * i + 10));
    expected[i] = serial(own);
    for (std::size_t row = 10 * i; row < 10 * i + 10; ++row) {
      summation.add(sums[i], data[row].change());
      if (row % 7 == 0) summation.hand_over();  // a sum may go on afterwards
    }
    summation.hand_over();
  }
  summation.wait();
  EXPECT_EQ(sums, expected);
}

TEST_P(Threads, AfterDrainNothingTouchesTheSumsAndTheNextOneIsRight) {
  const auto data = rows(3000, 7);
  const LtHash expected = serial(data);
  Summation summation;
  for (int round = 0; round < 20; ++round) {
    {
      LtHash dropped;
      const auto short_lived = data;
      for (const Row& row : short_lived) summation.add(dropped, row.change());
      summation.drain();
    }  // a thread that still had them would be seen by AddressSanitizer
    LtHash sum;
    for (const Row& row : data) summation.add(sum, row.change());
    summation.wait();
    ASSERT_EQ(sum, expected);
  }
}

TEST_P(Threads, ManyAtOnceAndCoresTakenMeanwhile) {
  const auto data = rows(700, 8);
  const LtHash expected = serial(data);
  std::array<LtHash, 4> sums;
  {
    std::vector<std::jthread> threads;
    for (LtHash& sum : sums) {
      threads.emplace_back([&] {
        for (int round = 0; round < 10; ++round) {
          sum = {};
          Summation summation(share_);
          for (const Row& row : data) summation.add(sum, row.change());
          const CoreTaken taken(*share_);
          summation.wait();
          ASSERT_EQ(sum, expected);
        }
      });
    }
  }
}

// A block of a million rows must not leave its memory with the store for good.
TEST(Summation, OfALargeSumLittleMemoryIsKeptAndTheNextOnesAreRight) {
  constexpr std::size_t kParts = 8'000;  // of 3 KiB
  const auto data = rows(kParts, 10);
  const LtHash expected = serial(data);
  const auto used = [] { return ::mallinfo2().uordblks; };  // 0 under a sanitizer
  const std::size_t before = used();
  Summation summation(std::make_shared<HashingShare>(nullptr, 1));
  for (int round = 0; round < 3; ++round) {
    LtHash sum;
    for (const Row& row : data) {
      summation.add(sum, row.change());
      summation.hand_over();
    }
    const bool drops = round == 1;
    if (drops) {
      summation.drain();
    } else {
      summation.wait();
    }
    EXPECT_EQ(sum, drops ? LtHash() : expected);
    EXPECT_LT(used(), before + kParts * 3 * 1024 / 4);
  }
}

INSTANTIATE_TEST_SUITE_P(Pool, Threads, testing::Values(1, 2, 3, 7, 0));

}  // namespace
}  // namespace flatkv::lthash

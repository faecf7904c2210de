// SPDX-License-Identifier: Apache-2.0
#include "lthash/summation.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "base/test_support.hpp"
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
  Summation summation(share_);
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

/// Keeps the tasks that it is given, and can refuse them.
class Kept : public Executor {
 public:
  std::uint32_t threads() const noexcept override { return 8; }
  void run(std::function<void()> task) override {
    ++asked;
    if (refuses) throw std::bad_alloc();
    tasks.push_back(std::move(task));
  }
  /// On a thread that has hashed nothing so far, all at once.
  void run_on_a_new_thread(std::int64_t allocations) {
    std::thread([&] {
      for (const auto& task : std::exchange(tasks, {})) {
        EXPECT_FALSE(test::lacks_memory(allocations, task)) << "a task throws nothing";
      }
    }).join();
  }

  int asked = 0;
  bool refuses = false;
  std::vector<std::function<void()>> tasks;
};

TEST(Summation, OnlyAFullPartGoesToTheExecutor) {
  const auto executor = std::make_shared<Kept>();
  Summation summation(std::make_shared<HashingShare>(executor));
  const auto data = rows(12, 13);
  LtHash sum;
  for (const Row& row : data) summation.add(sum, row.change());
  EXPECT_EQ(executor->asked, 0) << "a few rows never leave the calling thread";
  summation.wait();
  EXPECT_EQ(executor->asked, 0);
  EXPECT_EQ(sum, serial(data));
  // What is as much work as a part may be does not wait for more of it, whether it is added or
  // subtracted.
  const Bytes large(64U << 10, 1);
  for (const bool added : {true, false}) {
    LtHash other;
    executor->asked = 0;
    summation.add(other, {large, added ? ByteView() : large, added ? large : ByteView()});
    EXPECT_EQ(executor->asked, 1);
    summation.wait();
    executor->run_on_a_new_thread(-1);  // late, and nothing is left to do
  }
  // Rows of no size are counted.
  std::vector<Bytes> keys;
  for (std::uint8_t i = 0; i < 64; ++i) keys.push_back({i});
  executor->asked = 0;
  LtHash many;
  for (const Bytes& key : keys) {
    EXPECT_EQ(executor->asked, 0);
    summation.add(many, {key, {}, key});
  }
  EXPECT_EQ(executor->asked, 1);
  summation.wait();
  executor->run_on_a_new_thread(-1);
}

TEST(Summation, HelpersAreCalledAnewForEverySum) {
  const auto executor = std::make_shared<Kept>();
  Summation summation(std::make_shared<HashingShare>(executor, 3));
  const auto data = rows(500, 14);
  const LtHash expected = serial(data);
  for (int round = 0; round < 3; ++round) {
    executor->asked = 0;
    LtHash sum;
    for (const Row& row : data) summation.add(sum, row.change());
    EXPECT_EQ(executor->asked, 2);
    executor->run_on_a_new_thread(-1);
    summation.wait();
    EXPECT_EQ(sum, expected);
  }
  // Where none can be called, each full part asks again: there may be memory by then.
  executor->refuses = true;
  executor->asked = 0;
  LtHash sum;
  for (const Row& row : data) summation.add(sum, row.change());
  EXPECT_GT(executor->asked, 4);
  summation.wait();
  EXPECT_EQ(sum, expected);
}

TEST(Summation, AHelperThatCannotHashMakesTheSumFailAndNoOther) {
  FLATKV_NEEDS_FAILING_NEW();
  const auto executor = std::make_shared<Kept>();
  Summation summation(std::make_shared<HashingShare>(executor));
  const auto data = rows(300, 15);
  const LtHash expected = serial(data);
  for (const bool drops : {false, true}) {
    LtHash failed;
    for (const Row& row : data) summation.add(failed, row.change());
    ASSERT_FALSE(executor->tasks.empty());
    executor->run_on_a_new_thread(0);
    if (drops) {
      summation.drain();
    } else {
      EXPECT_THROW(summation.wait(), std::bad_alloc);
    }
    LtHash sum;
    for (const Row& row : data) summation.add(sum, row.change());
    summation.wait();
    EXPECT_EQ(sum, expected);
    executor->run_on_a_new_thread(-1);
  }
}

// `add` throws if there is no memory; from then on what it took is hashed without any.
TEST(Summation, WhatWasAddedNeedsNoMoreMemory) {
  FLATKV_NEEDS_FAILING_NEW();
  const auto data = rows(1500, 16);
  static_cast<void>(element(data[0].key, data[0].key));  // this thread's buffer is there
  Summation summation(std::make_shared<HashingShare>(nullptr, 1));
  for (const std::size_t parts : {1U, 7U, 8U, 9U, 24U, 25U, 100U, 1500U, 60U, 1500U}) {
    for (const int end : {0, 1, 2}) {
      std::vector<LtHash> sums(parts);
      for (std::size_t i = 0; i < parts; ++i) summation.add(sums[i], data[i].change());
      EXPECT_FALSE(test::lacks_memory(0, [&] {
        if (end == 1) summation.hand_over();
        if (end == 2) {
          summation.drain();
        } else {
          summation.wait();
        }
      })) << parts;
      if (end == 2) continue;
      for (std::size_t i = 0; i < parts; i += 11) {
        ASSERT_EQ(sums[i], serial({data[i]})) << parts << ' ' << i;
      }
    }
  }
}

// A large sum gives most of its memory back.
TEST(Summation, NorDoesItAfterALargeSum) {
  FLATKV_NEEDS_FAILING_NEW();
  const auto data = rows(3000, 18);
  static_cast<void>(element(data[0].key, data[0].key));
  Summation summation(std::make_shared<HashingShare>(nullptr, 1));
  for (const std::size_t parts : {1023U, 1024U, 1025U}) {
    std::vector<LtHash> large(data.size());
    for (std::size_t i = 0; i < data.size(); ++i) summation.add(large[i], data[i].change());
    summation.wait();
    std::vector<LtHash> sums(parts);
    for (std::size_t i = 0; i < parts; ++i) summation.add(sums[i], data[i].change());
    EXPECT_FALSE(test::lacks_memory(0, [&] { summation.wait(); })) << parts;
    for (std::size_t i = 0; i < parts; i += 100) ASSERT_EQ(sums[i], large[i]) << parts;
  }
}

TEST(Summation, ARowThatThereIsNoMemoryForIsNotTaken) {
  FLATKV_NEEDS_FAILING_NEW();
  const auto data = rows(20, 17);
  const LtHash expected = serial(data);
  for (std::int64_t allocations = 0;; ++allocations) {
    Summation summation(std::make_shared<HashingShare>(nullptr, 1));
    LtHash sum;
    const RowChange first = data[0].change();
    const bool lacked = test::lacks_memory(allocations, [&] { summation.add(sum, first); });
    if (lacked) summation.add(sum, first);
    for (std::size_t i = 1; i < data.size(); ++i) summation.add(sum, data[i].change());
    summation.wait();
    ASSERT_EQ(sum, expected) << allocations;
    if (!lacked) break;
    ASSERT_LT(allocations, 100);
  }
}

INSTANTIATE_TEST_SUITE_P(Pool, Threads, testing::Values(1, 2, 3, 7, 0));

}  // namespace
}  // namespace flatkv::lthash

// SPDX-License-Identifier: Apache-2.0
#include "base/read_ahead.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <semaphore>

#include "base/error.hpp"

namespace flatkv {
namespace {

using Number = std::unique_ptr<int>;  // moves only
using Item = Result<std::optional<Number>>;

/// 0 to `count` − 1, and then the end or an error.
class Numbers {
 public:
  explicit Numbers(int count, std::optional<Error> end = std::nullopt)
      : count_(count), end_(std::move(end)) {}

  Item next() {
    const int number = produced_.fetch_add(1);
    if (number < count_) return std::make_unique<int>(number);
    ++ends_;
    if (end_) return std::unexpected(*end_);
    return Item(std::in_place);
  }
  ReadAhead<Item>::Source source(std::uint64_t most) {
    return {.next = [this] { return next(); },
            .weight = [](const Number&) { return std::uint64_t{10}; },
            .most = most};
  }
  int produced() const { return produced_; }
  int ends() const { return ends_; }

 private:
  const int count_;
  const std::optional<Error> end_;
  std::atomic<int> produced_ = 0;
  std::atomic<int> ends_ = 0;
};

void expect_number(const Item& item, int number) {
  ASSERT_TRUE(item);
  ASSERT_TRUE(*item);
  EXPECT_EQ(***item, number);
}

TEST(ReadAhead, GivesItemsInOrderAndTheEndForEver) {
  Numbers numbers(1000);
  ReadAhead<Item> ahead("test", numbers.source(70));
  for (int i = 0; i < 1000; ++i) {
    if (i % 3 == 0) expect_number(ahead.peek(), i);
    expect_number(ahead.next(), i);
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(ahead.peek() && !*ahead.peek());
    const Item end = ahead.next();
    EXPECT_TRUE(end && !*end);
  }
  EXPECT_EQ(numbers.ends(), 1);
}

TEST(ReadAhead, AnErrorComesAfterTheItemsBeforeIt) {
  Numbers numbers(2, fail(ErrorCode::corruption, "bad").version(3).error());
  ReadAhead<Item> ahead("test", numbers.source(1000));
  expect_number(ahead.next(), 0);
  expect_number(ahead.next(), 1);
  for (int i = 0; i < 3; ++i) {
    const Item end = ahead.next();
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code, ErrorCode::corruption);
    EXPECT_EQ(end.error().version, 3);
  }
  EXPECT_EQ(numbers.ends(), 1);
}

TEST(ReadAhead, HoldsNoMoreThanItMay) {
  Numbers numbers(1000);
  std::binary_semaphore produced(0);
  auto source = numbers.source(35);  // three items
  source.next = [&] {
    Item item = numbers.next();
    if (numbers.produced() == 4) produced.release();
    return item;
  };
  ReadAhead<Item> ahead("test", std::move(source));
  produced.acquire();  // three wait, and the fourth for its place
  expect_number(ahead.next(), 0);
  expect_number(ahead.next(), 1);
  EXPECT_LE(numbers.produced(), 6);
}

TEST(ReadAhead, TakesASingleItemThatIsTooHeavy) {
  Numbers numbers(3);
  ReadAhead<Item> ahead("test", numbers.source(5));
  for (int i = 0; i < 3; ++i) expect_number(ahead.next(), i);
  EXPECT_FALSE(*ahead.next());
}

TEST(ReadAhead, EndsWithItemsThatNobodyTook) {
  Numbers numbers(1000);
  {
    ReadAhead<Item> ahead("test", numbers.source(50));
    expect_number(ahead.next(), 0);
  }
  EXPECT_LE(numbers.produced(), 7);
}

}  // namespace
}  // namespace flatkv

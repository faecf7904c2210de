// SPDX-License-Identifier: Apache-2.0
#include "scan/scan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <stop_token>
#include <thread>

#include "base/bytes.hpp"
#include "scan/ranges.hpp"
#include "scan/test_support.hpp"

namespace flatkv::scan {
namespace {

LtHash hash_of(const Rows& rows) {
  LtHash hash;
  for (const auto& [key, value] : rows) hash += lthash::element(key, value);
  return hash;
}

ScanOptions with_threads(unsigned threads) {
  ScanOptions options;
  options.threads = threads;
  return options;
}

void expect_scan_is(const Rows& rows, const ScanOptions& options) {
  const auto result = scan_rows(over(rows), options);
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->hash, hash_of(rows));
  EXPECT_EQ(result->stats.rows, rows.size());
  std::uint64_t keys = 0;
  std::uint64_t values = 0;
  for (const auto& [key, value] : rows) {
    keys += key.size();
    values += value.size();
  }
  EXPECT_EQ(result->stats.key_bytes, keys);
  EXPECT_EQ(result->stats.value_bytes, values);
}

TEST(Scan, NothingIsZero) {
  const Rows none;
  const auto result = scan_rows(over(none), {});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->hash, LtHash{});
  EXPECT_EQ(result->stats, DatabaseStats{});
}

TEST(Scan, EveryRowCountsOnceWhateverTheThreads) {
  for (const Rows& rows :
       {uniform_rows(1), uniform_rows(1024), uniform_rows(30'000), skewed_rows(30'000)}) {
    for (const unsigned threads : {1U, 2U, 3U, 8U}) expect_scan_is(rows, with_threads(threads));
  }
}

TEST(Scan, EmptyValuesCountAsRowsWithoutAnElement) {
  Rows rows = uniform_rows(10);
  const LtHash before = hash_of(rows);
  rows[Bytes{1, 2}] = {};
  const auto result = scan_rows(over(rows), with_threads(2));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->hash, before);
  EXPECT_EQ(result->stats.rows, 11U);
}

TEST(Scan, LargeAndHugeValues) {
  Rows rows = uniform_rows(3000);
  std::mt19937_64 random(3);
  for (auto& [key, value] : rows) {
    if (key[0] < 3) value = random_bytes(random, 24'576);
    if (key[0] == 77) value = random_bytes(random, 3U << 20);
  }
  rows[Bytes(20, 0xff)] = random_bytes(random, 1U << 20);  // the last row
  expect_scan_is(rows, with_threads(1));
  expect_scan_is(rows, with_threads(4));
}

TEST(Scan, BoundsAreHalfOpen) {
  const Rows rows = uniform_rows(5000);
  const Bytes lower = std::next(rows.begin(), 1000)->first;
  const Bytes upper = std::next(rows.begin(), 4000)->first;
  ScanOptions options = with_threads(3);
  options.bounds = {lower, upper};
  const auto result = scan_rows(over(rows), options);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->stats.rows, 3000U);
  EXPECT_EQ(result->hash, hash_of(Rows(rows.find(lower), rows.find(upper))));
}

TEST(Scan, WorkIsSharedAlsoWhereKeysAreCrowded) {
  for (const Rows& rows : {uniform_rows(40'000), skewed_rows(40'000)}) {
    std::mutex mutex;
    std::map<unsigned, std::size_t> seen;
    std::set<Bytes, Less> keys;
    const Status status =
        scan_batches(over(rows), with_threads(2),
                     [&](unsigned thread, std::span<const lthash::RowChange> batch) -> Status {
                       // On any machine, the other thread gets here before the work is done.
                       auto pause = std::chrono::milliseconds(20);
                       {
                         const std::lock_guard lock(mutex);
                         seen[thread] += batch.size();
                         if (seen.size() == 2) pause = std::chrono::milliseconds(1);
                         for (const auto& row : batch)
                           EXPECT_TRUE(keys.insert(to_bytes(row.key)).second);
                       }
                       std::this_thread::sleep_for(pause);
                       return {};
                     });
    ASSERT_TRUE(status);
    EXPECT_EQ(keys.size(), rows.size());
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_GE(seen[0], 512U);
    EXPECT_GE(seen[1], 512U);
  }
}

/// Stops at a key as if it were the end, with or without an error status.
class FailingCursor final : public MapCursor {
 public:
  FailingCursor(const Rows& rows, const rocks::Bounds& bounds, const Bytes& bad)
      : MapCursor(rows, bounds), bad_(bad) {}
  bool valid() const override { return !failed_ && MapCursor::valid(); }
  Status status() const override {
    if (!failed_) return {};
    return fail(ErrorCode::corruption, "block checksum mismatch");
  }

 protected:
  void move_to(Rows::const_iterator at) override {
    MapCursor::move_to(at);
    if (at_ != end_ && equal(key_, bad_)) failed_ = true;
  }

 private:
  const Bytes& bad_;
  bool failed_ = false;
};

// docs/hazards.md#error-as-end-of-rows
TEST(Scan, ABadBlockIsNotTheEnd) {
  const Rows rows = uniform_rows(20'000);
  for (const int at : {0, 1, 9'999, 19'999}) {
    const Bytes bad = std::next(rows.begin(), at)->first;
    for (const unsigned threads : {1U, 4U}) {
      const auto result = scan_rows(
          [&](const rocks::Bounds& bounds) {
            return std::make_unique<FailingCursor>(rows, bounds, bad);
          },
          with_threads(threads));
      ASSERT_FALSE(result) << at;
      EXPECT_EQ(result.error().code, ErrorCode::corruption);
      EXPECT_EQ(result.error().message, "block checksum mismatch");
    }
  }
}

/// Shows one row twice.
class StutteringCursor final : public MapCursor {
 public:
  using MapCursor::MapCursor;
  void next() override {
    if (++moves_ == 1500) return;
    MapCursor::next();
  }

 private:
  int moves_ = 0;
};

TEST(Scan, KeysThatDoNotAscendAreCorruption) {
  const Rows rows = uniform_rows(2'000);
  const auto result = scan_rows(
      [&](const rocks::Bounds& bounds) { return std::make_unique<StutteringCursor>(rows, bounds); },
      with_threads(1));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::corruption);
}

// docs/hazards.md#verification-nobody-runs
TEST(Scan, CanBeCancelled) {
  const Rows rows = uniform_rows(50'000);
  std::stop_source cancel;
  std::atomic<std::size_t> seen = 0;
  ScanOptions options = with_threads(2);
  options.stop = cancel.get_token();
  const Status status = scan_batches(
      over(rows), options, [&](unsigned, std::span<const lthash::RowChange> batch) -> Status {
        if (seen.fetch_add(batch.size()) > 10'000) cancel.request_stop();
        return {};
      });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::cancelled);
  EXPECT_LT(seen, rows.size());
}

// docs/hazards.md#verification-nobody-runs
TEST(Scan, IsCancelledWhileItWaitsForItsRate) {
  const Rows rows = uniform_rows(5'000);
  std::stop_source cancel;
  ScanOptions options = with_threads(2);
  options.rows_per_second = 1;
  options.stop = cancel.get_token();
  std::jthread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    cancel.request_stop();
  });
  const auto result = scan_rows(over(rows), options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::cancelled);
}

TEST(Scan, RateIsALimit) {
  const Rows rows = uniform_rows(5'000);
  ScanOptions options = with_threads(2);
  options.rows_per_second = 50'000;
  const auto begin = std::chrono::steady_clock::now();
  expect_scan_is(rows, options);
  // Never faster; how much slower depends on the machine.
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(90));
}

TEST(Scan, ProgressNeverFallsAndEndsWithAllRows) {
  const Rows rows = uniform_rows(150'000);
  std::vector<std::uint64_t> reports;
  std::atomic<int> inside = 0;
  ScanOptions options = with_threads(3);
  options.progress = [&](std::uint64_t count) {
    EXPECT_EQ(inside.fetch_add(1), 0);
    reports.push_back(count);
    inside.fetch_sub(1);
  };
  ASSERT_TRUE(scan_rows(over(rows), options));
  ASSERT_GE(reports.size(), 2U);
  EXPECT_TRUE(std::ranges::is_sorted(reports));
  EXPECT_EQ(reports.back(), rows.size());
}

TEST(Scan, AVisitorsErrorEndsIt) {
  const Rows rows = uniform_rows(20'000);
  const Status status = scan_batches(over(rows), with_threads(4),
                                     [](unsigned, std::span<const lthash::RowChange>) -> Status {
                                       return fail(ErrorCode::no_space, "full");
                                     });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::no_space);
}

TEST(Slice, SlicesAddUpToTheScan) {
  Rows rows = uniform_rows(5'000);
  rows[Bytes{7}] = Bytes(700'000, 1);  // too large to be copied
  rows[Bytes{8, 8}] = {};
  for (const std::uint64_t size : {1'000'000ULL, 5'002ULL, 5'001ULL, 1'024ULL, 77ULL}) {
    ScanResult sum;
    rocks::Bounds bounds;
    std::uint64_t slices = 0;
    for (bool more = true; more; ++slices) {
      const auto slice = scan_slice(over(rows), bounds, {size, 1ULL << 40}, {});
      ASSERT_TRUE(slice) << slice.error().to_string();
      EXPECT_LE(slice->sum.stats.rows, size);
      sum.hash += slice->sum.hash;
      sum.stats.rows += slice->sum.stats.rows;
      sum.stats.key_bytes += slice->sum.stats.key_bytes;
      sum.stats.value_bytes += slice->sum.stats.value_bytes;
      bounds.lower = slice->next;
      more = slice->next.has_value();
    }
    const auto whole = scan_rows(over(rows), {});
    EXPECT_EQ(sum.hash, whole->hash);
    EXPECT_EQ(sum.stats, whole->stats);
    EXPECT_EQ(slices, (rows.size() + size - 1) / size);
  }
}

TEST(Slice, StopsAtItsBoundAndAfterItsBytes) {
  const Rows rows = uniform_rows(5'000);
  const Bytes upper = std::next(rows.begin(), 40)->first;
  auto slice = scan_slice(over(rows), {std::nullopt, upper}, {1'000, 1ULL << 40}, {});
  ASSERT_TRUE(slice);
  EXPECT_EQ(slice->sum.stats.rows, 40U);
  EXPECT_FALSE(slice->next);
  slice = scan_slice(over(rows), {}, {5'000, 60 * 1'100}, {});
  ASSERT_TRUE(slice);
  EXPECT_EQ(slice->sum.stats.rows, 2'048U) << "a batch is at most 1024 rows";
  EXPECT_EQ(*slice->next, std::next(rows.begin(), 2'048)->first);
  std::stop_source cancel;
  cancel.request_stop();
  slice = scan_slice(over(rows), {}, {1, 1}, cancel.get_token());
  ASSERT_FALSE(slice);
  EXPECT_EQ(slice.error().code, ErrorCode::cancelled);
}

TEST(Ranges, MiddleLiesBetween) {
  std::mt19937_64 random(1);
  std::size_t found = 0;
  for (int i = 0; i < 20'000; ++i) {
    Bytes low = random_bytes(random, 1 + random() % 5);
    Bytes high = random_bytes(random, 1 + random() % 5);
    if (random() % 4 == 0) high = low, high.push_back(static_cast<std::uint8_t>(random() % 3));
    if (compare_bytes(low, high) > 0) std::swap(low, high);
    const auto half = middle(low, high);
    if (!half) continue;
    ++found;
    ASSERT_LT(compare_bytes(low, *half), 0) << to_hex(low) << ' ' << to_hex(high);
    ASSERT_LE(compare_bytes(*half, high), 0) << to_hex(low) << ' ' << to_hex(high);
  }
  EXPECT_GT(found, 10'000U);
  EXPECT_EQ(middle(Bytes{0x10}, Bytes{0x30}), (Bytes{0x20, 0}));
  EXPECT_EQ(middle(Bytes{0xff}, Bytes{0xff, 0x02}), (Bytes{0xff, 0x01, 0}));
  EXPECT_EQ(middle(Bytes{5}, Bytes{5}), std::nullopt);
  EXPECT_EQ(middle(Bytes{5}, Bytes{5, 0}), std::nullopt);
}

TEST(Ranges, SplitPointFindsTheCrowd) {
  const Rows rows = skewed_rows(10'000);
  const auto split = split_point(over(rows), rows.begin()->first, std::nullopt, 512);
  ASSERT_TRUE(split && *split);
  const auto at = rows.lower_bound(**split);
  EXPECT_GE(std::distance(at, rows.end()), 512);
  const Rows few = uniform_rows(100);
  const auto none = split_point(over(few), few.begin()->first, std::nullopt, 512);
  ASSERT_TRUE(none);
  EXPECT_EQ(*none, std::nullopt);
}

}  // namespace
}  // namespace flatkv::scan

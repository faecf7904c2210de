// SPDX-License-Identifier: Apache-2.0
#include "rocks/read_threads.hpp"

#include <atomic>
#include <chrono>
#include <thread>

#include "rocks/slow_tables.hpp"
#include "rocks/test_support.hpp"

namespace flatkv::rocks {
namespace {

using std::chrono_literals::operator""us;

using Value = std::optional<std::string>;
using AtOnce = PinnedDatabase::AtOnce;

constexpr std::size_t kRows = 1000;

std::string key_of(std::size_t i) {
  std::string digits = std::to_string(i);
  return std::string(6 - digits.size(), '0') + digits;
}

/// Every third key is absent, some values are empty, and each row has a block of its own.
Value value_of(std::size_t i) {
  if (i % 3 == 2) return std::nullopt;
  if (i % 7 == 0) return std::string();
  std::mt19937_64 random(i);
  std::string value(5000, '\0');  // does not compress
  for (char& c : value) c = static_cast<char>(random());
  return value;
}

class ReadThreadsTest : public testing::Test {
 protected:
  ReadThreadsTest() {
    DbOptions options = options_for(dir_ / "db");
    options.env = tables_.env();
    options.block_cache = make_block_cache(1);  // every lookup reads the table
    db_ = must(Db::open(options, Db::Mode::create));
    Rows rows;
    for (std::size_t i = 0; i < kRows; ++i) {
      names_.push_back(key_of(i));
      values_.push_back(value_of(i));
      if (values_.back()) rows[names_.back()] = values_.back();
    }
    for (const auto& name : names_) keys_.push_back(as_bytes(name));
    ingest_rows(*db_, dir_ / "table.sst", rows);
    pinned_ = must(db_->snapshot());
  }

  /// The values by `threads`; the call must be on this thread, once for each key.
  std::vector<Value> get(ReadThreads& threads, std::span<const ByteView> keys,
                         std::size_t cores = 1) {
    std::vector<Value> values(keys.size());
    std::vector<int> shown(keys.size());
    const auto own = std::this_thread::get_id();
    must(threads.multi_get(
        *pinned_, keys, AtOnce::many,
        [&](std::size_t i, std::optional<ByteView> value) {
          EXPECT_EQ(std::this_thread::get_id(), own);
          ++shown[i];
          if (value) values[i] = text(*value);
        },
        cores));
    EXPECT_EQ(shown, std::vector<int>(keys.size(), 1));
    return values;
  }

  /// Makes `threads` know that reads have to wait.
  void learn(ReadThreads& threads) {
    tables_.before_read(SlowTables::like_a_device(200us));
    static_cast<void>(get(threads, keys_));
    ASSERT_GT(threads.threads(), 0U);
  }

  fs::TestDirectory dir_;
  SlowTables tables_;
  std::shared_ptr<Db> db_;
  std::shared_ptr<const PinnedDatabase> pinned_;
  std::vector<std::string> names_;
  std::vector<Value> values_;
  std::vector<ByteView> keys_;
};

TEST(ReadPace, HelpIsWorthAsMuchAsReadsHaveWaitedLately) {
  ReadPace pace;
  EXPECT_EQ(pace.more_threads(1000), 0U);
  pace.took(1000, 0);
  EXPECT_EQ(pace.more_threads(1000), 0U);
  for (int i = 0; i < 10; ++i) pace.took(32, 32 * 100'000.0);
  EXPECT_GE(pace.more_threads(1000), 31U);
  EXPECT_GE(pace.more_threads(4), 3U);
  EXPECT_EQ(pace.more_threads(0), 0U);
  for (int i = 0; i < 20; ++i) pace.took(256, 0);
  EXPECT_EQ(pace.more_threads(1000), 0U);
}

TEST(ReadPace, AFewReadsOfManyThatWaitedAreNotWorthHelp) {
  ReadPace pace;
  for (int i = 0; i < 20; ++i) pace.took(256, 2 * 100'000.0);
  EXPECT_EQ(pace.more_threads(1000), 0U);
  for (int i = 0; i < 20; ++i) pace.took(256, 26 * 100'000.0);
  EXPECT_GT(pace.more_threads(1000), 0U);
}

TEST(ReadPace, OnlyAReadInWhichTheThreadGaveUpItsCoreHasWaited) {
  const auto spin = [] {
    const auto until = std::chrono::steady_clock::now() + 1000us;
    while (std::chrono::steady_clock::now() < until) {
    }
    return true;
  };
  const auto sleep = [] {
    std::this_thread::sleep_for(1000us);
    return true;
  };
  const ReadPace::Watch watch;
  DeviceWaits::timed(1, spin);
  sleep();
  EXPECT_EQ(watch.waited(), 0);
  DeviceWaits::timed(1, sleep);
  EXPECT_GE(watch.waited(), 1e6);
}

TEST_F(ReadThreadsTest, ManyRowsAreReadOnSeveralCoresThoughNoneWaits) {
  std::vector<std::string> names;
  std::vector<Value> expected;
  for (std::size_t i = 0; i < kRows; ++i) {
    names.push_back(names_[i]);
    expected.push_back(values_[i]);
    names.push_back(names_[i] + "x");
    expected.emplace_back();
  }
  std::vector<ByteView> keys;
  for (const auto& name : names) keys.push_back(as_bytes(name));
  ReadThreads threads(8);
  EXPECT_EQ(get(threads, keys, 3), expected);
  EXPECT_EQ(threads.threads(), 2U);
  ReadThreads few(8);
  EXPECT_EQ(get(few, keys_, 3), values_);
  EXPECT_EQ(few.threads(), 0U) << "they are not worth it";
  ReadThreads one(1);
  EXPECT_EQ(get(one, keys, 3), expected);
  EXPECT_EQ(one.threads(), 0U);
}

TEST_F(ReadThreadsTest, ValuesAreThoseOfOneThread) {
  tables_.before_read(SlowTables::like_a_device(50us));
  for (const std::uint32_t in_flight : {1U, 2U, 8U, 64U}) {
    SCOPED_TRACE(in_flight);
    ReadThreads threads(in_flight);
    for (int round = 0; round < 3; ++round) EXPECT_EQ(get(threads, keys_), values_);
    EXPECT_EQ(threads.keys(), 3 * kRows);
    EXPECT_LT(threads.threads(), in_flight);
    EXPECT_EQ(threads.threads() > 0, in_flight > 1);
    for (const std::size_t count : {0U, 1U, 2U, 5U, 33U}) {
      const auto some = get(threads, std::span(keys_).first(count));
      EXPECT_TRUE(std::ranges::equal(some, std::span(values_).first(count)));
    }
  }
}

TEST_F(ReadThreadsTest, ReadsAreUnderWayAtTheSameTime) {
  ReadThreads threads(8);
  learn(threads);
  // Each read waits until all that may be under way are.
  static_cast<void>(tables_.most_at_once());
  std::atomic<unsigned> waiting = 0;
  std::atomic<bool> all = false;
  tables_.before_read([&](std::uint64_t, std::size_t) {
    if (++waiting == 8) {
      all = true;
      all.notify_all();
    }
    all.wait(false);
    return rocksdb::IOStatus::OK();
  });
  EXPECT_EQ(get(threads, keys_), values_);
  EXPECT_EQ(tables_.most_at_once(), 8U);
}

TEST_F(ReadThreadsTest, TheErrorIsThatOfOneThread) {
  ReadThreads threads(8);
  learn(threads);
  const auto rows_end = std::filesystem::file_size(files_with(dir_ / "db", ".sst").at(0)) / 10 * 9;
  for (std::uint64_t bad = 0; bad < rows_end; bad += rows_end / 9) {
    SCOPED_TRACE(bad);
    // RocksDB may read neighbours together.
    tables_.before_read(
        [bad, slow = SlowTables::like_a_device(100us)](std::uint64_t offset, std::size_t bytes) {
          if (offset > bad) return rocksdb::IOStatus::IOError("injected", "above the first");
          if (offset + bytes > bad) return rocksdb::IOStatus::IOError("injected", "the first");
          return slow(offset, bytes);
        });
    const auto none = [](std::size_t, std::optional<ByteView>) {};
    const Status alone = pinned_->multi_get(keys_, AtOnce::many, none);
    ASSERT_FALSE(alone);
    ASSERT_NE(alone.error().message.find("the first"), std::string::npos);
    std::vector<std::optional<Value>> seen(kRows);
    const Status failed = threads.multi_get(*pinned_, keys_, AtOnce::many,
                                            [&](std::size_t i, std::optional<ByteView> value) {
                                              seen[i] = value ? Value(text(*value)) : std::nullopt;
                                            });
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().to_string(), alone.error().to_string());
    for (std::size_t i = 0; i < kRows; ++i) {
      EXPECT_EQ(seen[i].value_or(values_[i]), values_[i]) << i;
    }
  }
  tables_.before_read({});
  EXPECT_EQ(get(threads, keys_), values_);
}

TEST_F(ReadThreadsTest, WhatTheCallerThrowsLeavesNoReadBehind) {
  ReadThreads threads(8);
  learn(threads);
  for (std::size_t after = 0; after < kRows; after += 111) {
    std::size_t shown = 0;
    EXPECT_THROW(
        {
          // Short-lived, unlike what the threads would still use.
          const std::vector<ByteView> keys = keys_;
          static_cast<void>(threads.multi_get(*pinned_, keys, AtOnce::many,
                                              [&](std::size_t, std::optional<ByteView>) {
                                                if (shown++ == after) throw std::bad_alloc();
                                              }));
        },
        std::bad_alloc);
    EXPECT_EQ(shown, after + 1);
  }
  EXPECT_EQ(get(threads, keys_), values_);
}

TEST_F(ReadThreadsTest, CallersShareTheThreads) {
  ReadThreads threads(8);
  learn(threads);
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> callers;
    for (std::size_t n = 0; n < 6; ++n) {
      callers.emplace_back([&, n] {
        const std::size_t from = n * 100;
        for (int round = 0; round < 3; ++round) {
          const auto values = get(threads, std::span(keys_).subspan(from));
          right += std::ranges::equal(values, std::span(values_).subspan(from));
        }
      });
    }
  }
  EXPECT_EQ(right, 18);
  EXPECT_EQ(threads.threads(), 7U);
}

TEST_F(ReadThreadsTest, CallsGoOnAfterTheThreadsHaveEnded) {
  ReadThreads threads(8);
  learn(threads);
  std::atomic<int> right = 0;
  {
    const std::jthread caller([&] {
      for (int round = 0; round < 4; ++round) right += get(threads, keys_) == values_;
    });
    threads.stop();
  }
  EXPECT_EQ(right, 4);
  EXPECT_EQ(threads.threads(), 0U);
  threads.stop();
}

}  // namespace
}  // namespace flatkv::rocks

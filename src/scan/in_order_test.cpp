// SPDX-License-Identifier: Apache-2.0
#include "scan/in_order.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <vector>

#include "scan/key_space.hpp"
#include "scan/test_support.hpp"

namespace flatkv::scan {
namespace {

InOrderOptions small_pieces(unsigned threads, std::uint64_t piece_bytes, std::uint64_t bytes) {
  InOrderOptions options;
  options.threads = threads;
  options.piece_bytes = piece_bytes;
  options.bytes = bytes;
  return options;
}

void expect_rows_in_order(const Rows& rows, const InOrderOptions& options) {
  SCOPED_TRACE(std::to_string(options.threads) + " threads, pieces of " +
               std::to_string(options.piece_bytes) + " bytes, told " +
               std::to_string(options.bytes));
  auto expected = rows.begin();
  const Status done = scan_in_order(over(rows), options, [&](const RowBuffer& seen) -> Status {
    EXPECT_FALSE(seen.empty());
    for (std::size_t row = 0; row < seen.size(); ++row, ++expected) {
      if (expected == rows.end() || to_bytes(seen.key(row)) != expected->first ||
          to_bytes(seen.value(row)) != expected->second) {
        return fail(ErrorCode::corruption, "another row: " + to_hex(seen.key(row)));
      }
    }
    return {};
  });
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_TRUE(expected == rows.end()) << "rows are missing";
}

/// Many contracts of very different sizes, as a chain has them.
Rows contracts(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Rows rows;
  for (int contract = 0; contract < 60; ++contract) {
    const Bytes address = random_bytes(random, 20);
    for (std::uint64_t slot = std::uint64_t{1} << (random() % 11); slot-- > 0;) {
      Bytes key = address;
      // Some number their slots, others hash them.
      Bytes last = contract % 3 == 0 ? Bytes(32, 0) : random_bytes(random, 32);
      last[31] = static_cast<std::uint8_t>(slot);
      last[30] = static_cast<std::uint8_t>(slot >> 8U);
      key.insert(key.end(), last.begin(), last.end());
      rows[key] = random_bytes(random, 1 + random() % 60);
    }
  }
  return rows;
}

/// Keys that hardly any arithmetic tells apart.
Rows awkward_rows() {
  Rows rows;
  rows[Bytes{0}] = {1};
  rows[Bytes{0, 0}] = {2};
  rows[Bytes{0, 0, 0}] = {};
  rows[Bytes(70, 0)] = {3};
  for (std::uint8_t i = 0; i < 200; ++i) {
    Bytes key(64, 0x42);
    rows[key] = Bytes(10, i);
    key.resize(65 + i, 0);
    rows[key] = Bytes(10, i);
    key.back() = i;
    rows[key] = Bytes(i, i);
  }
  rows[Bytes(64, 0xff)] = {4};
  rows[Bytes(200, 0xff)] = {5};
  return rows;
}

TEST(InOrder, EveryRowOnceWhateverTheKeysThreadsAndPieces) {
  for (const Rows& rows : {Rows{}, uniform_rows(1), uniform_rows(5'000), skewed_rows(5'000),
                           contracts(1), contracts(2), awkward_rows()}) {
    for (const unsigned threads : {1U, 2U, 3U, 8U}) {
      for (const std::uint64_t piece : {1ULL, 300ULL, 20'000ULL, 1ULL << 30}) {
        for (const std::uint64_t bytes : {0ULL, 400'000ULL, ~0ULL}) {
          expect_rows_in_order(rows, small_pieces(threads, piece, bytes));
          if (HasFailure()) return;
        }
      }
    }
  }
}

TEST(InOrder, AValueLargerThanAPiece) {
  Rows rows = uniform_rows(300);
  for (auto& [key, value] : rows) {
    if (key[0] % 16 == 0) value.resize(100'000, 7);
  }
  expect_rows_in_order(rows, small_pieces(3, 1'000, 50'000));
}

/// A cursor over so many rows, and then an error that must not look like the end.
class BreakingCursor : public MapCursor {
 public:
  BreakingCursor(const Rows& rows, const rocks::Bounds& bounds, ByteView breaks_at)
      : MapCursor(rows, bounds), breaks_at_(to_bytes(breaks_at)) {}
  bool valid() const override { return MapCursor::valid() && !broken(); }
  Status status() const override {
    if (MapCursor::valid() && broken()) return fail(ErrorCode::io, "injected");
    return {};
  }

 private:
  bool broken() const { return compare_bytes(MapCursor::key(), breaks_at_) >= 0; }

  Bytes breaks_at_;
};

TEST(InOrder, AFailedReadIsAnErrorAfterTheRowsBeforeIt) {
  const Rows rows = uniform_rows(3'000);
  for (const std::size_t at :
       {std::size_t{0}, std::size_t{1}, std::size_t{1'700}, rows.size() - 1}) {
    const Bytes breaks_at = std::next(rows.begin(), static_cast<std::ptrdiff_t>(at))->first;
    std::size_t seen = 0;
    const Status done = scan_in_order(
        [&](const rocks::Bounds& bounds) {
          return std::make_unique<BreakingCursor>(rows, bounds, breaks_at);
        },
        small_pieces(3, 2'000, 180'000),
        [&](const RowBuffer& buffer) -> Status {
          seen += buffer.size();
          return {};
        });
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::io);
    EXPECT_LE(seen, at);
  }
}

/// Shows a row twice when it has moved over it.
class RepeatingCursor : public MapCursor {
 public:
  using MapCursor::MapCursor;
  void next() override {
    if (++moves_ != 5) MapCursor::next();
  }

 private:
  int moves_ = 0;
};

TEST(InOrder, RowsOutOfOrderAreCorruption) {
  const Rows rows = uniform_rows(100);
  const Status done = scan_in_order(
      [&](const rocks::Bounds& bounds) { return std::make_unique<RepeatingCursor>(rows, bounds); },
      small_pieces(2, 1'000, 5'000), [](const RowBuffer&) -> Status { return {}; });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::corruption);
}

TEST(InOrder, AnErrorOrAnExceptionOfTheReceiverEndsIt) {
  const Rows rows = uniform_rows(5'000);
  int calls = 0;
  const Status refused =
      scan_in_order(over(rows), small_pieces(3, 2'000, 300'000), [&](const RowBuffer&) -> Status {
        if (++calls < 3) return {};
        return fail(ErrorCode::no_space, "full");
      });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::no_space);
  EXPECT_EQ(calls, 3);
  const Status thrown = scan_in_order(over(rows), small_pieces(3, 2'000, 300'000),
                                      [](const RowBuffer&) -> Status { throw std::bad_alloc(); });
  ASSERT_FALSE(thrown);
  EXPECT_EQ(thrown.error().code, ErrorCode::out_of_memory);
}

TEST(InOrder, CanBeCancelled) {
  const Rows rows = uniform_rows(5'000);
  std::stop_source cancel;
  InOrderOptions options = small_pieces(2, 2'000, 300'000);
  options.stop = cancel.get_token();
  std::size_t seen = 0;
  const Status done = scan_in_order(over(rows), options, [&](const RowBuffer& buffer) -> Status {
    seen += buffer.size();
    if (seen > 500) cancel.request_stop();
    return {};
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::cancelled);
  EXPECT_LT(seen, rows.size());
}

// However the keys lie, what waits to be shown is bounded: cursors are made for pieces, and few
// pieces are ahead of the one that is shown.
TEST(InOrder, ReadsAheadOnlyABoundedPart) {
  for (const Rows& rows : {uniform_rows(20'000), skewed_rows(20'000), contracts(3)}) {
    std::atomic<std::uint64_t> read = 0;
    class Counting : public MapCursor {
     public:
      Counting(const Rows& all, const rocks::Bounds& bounds, std::atomic<std::uint64_t>& read)
          : MapCursor(all, bounds), read_(read) {}
      void next() override {
        ++read_;
        MapCursor::next();
      }

     private:
      std::atomic<std::uint64_t>& read_;
    };
    constexpr unsigned kThreads = 4;
    constexpr std::uint64_t kPiece = 2'000;
    std::uint64_t shown = 0;
    std::uint64_t most = 0;
    ASSERT_TRUE(scan_in_order(
        [&](const rocks::Bounds& bounds) { return std::make_unique<Counting>(rows, bounds, read); },
        small_pieces(kThreads, kPiece, 50'000),
        [&](const RowBuffer& buffer) -> Status {
          most = std::max(most, read.load() - std::min(read.load(), shown));
          shown += buffer.size();
          return {};
        }));
    // A row has 21 bytes and more, so a piece at most this many rows.
    EXPECT_LE(most, (2 * kThreads + 1) * (kPiece / 21 + 1));
  }
}

TEST(KeyDistance, AddsSubtractsAndScales) {
  const KeyDistance low(Bytes{0x10, 0xff});
  const KeyDistance more(Bytes{0x01, 0x01});
  EXPECT_EQ((low + more)->key(), (Bytes{0x12}));
  EXPECT_EQ((*(low + more) - more).key(), (Bytes{0x10, 0xff}));
  EXPECT_EQ(low.times(2).key(), (Bytes{0x21, 0xfe}));
  EXPECT_EQ(KeyDistance(Bytes{0xff}).times(2).key(), Bytes(64, 0xff));
  EXPECT_EQ(KeyDistance(Bytes{0x10}).over(4).key(), (Bytes{0x04}));
  EXPECT_EQ(KeyDistance::one_of(1).key(), Bytes(64, 0xff));
  EXPECT_EQ(KeyDistance::one_of(2).key()[0], 0x7f);
  EXPECT_FALSE(KeyDistance(Bytes{0x80}) + KeyDistance(Bytes{0x80}));
  EXPECT_TRUE(KeyDistance(Bytes(64, 0)).is_zero());
  EXPECT_FALSE(KeyDistance().over(7).is_zero());
  EXPECT_EQ((KeyDistance(Bytes{1}) - KeyDistance(Bytes(64, 0))).key(), Bytes{1});
}

}  // namespace
}  // namespace flatkv::scan

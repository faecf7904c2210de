// SPDX-License-Identifier: Apache-2.0
#include "lthash/batch.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <random>
#include <thread>

#include "blake3/blake3.hpp"
#include "blake3/kernel.hpp"
#include "blake3/test_support.hpp"
#include "lthash/collector.hpp"

namespace flatkv::lthash {
namespace {

using blake3::Kernel;
using blake3::test::kernels;
using blake3::test::WithKernel;

// Written from docs/specification.md#lattice-hash alone: serialise, hash, read limbs.
LtHash plain_element(ByteView key, ByteView value) {
  if (key.empty() || value.empty()) return {};
  const auto size_of = [](ByteView of) {
    Bytes bytes;
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<std::uint8_t>(of.size() >> (8 * i)));
    return bytes;
  };
  std::array<std::uint8_t, LtHash::kBytes> out;
  blake3::Hasher()
      .update(size_of(key))
      .update(key)
      .update(size_of(value))
      .update(value)
      .finalize_xof(0, out);
  return LtHash::deserialize(out);
}

struct Row {
  Bytes key;
  Bytes old_value;
  Bytes new_value;
};

class Rows {
 public:
  explicit Rows(std::uint32_t seed) : random_(seed) {}

  Bytes bytes(std::size_t size) {
    Bytes result(size);
    for (auto& byte : result) byte = static_cast<std::uint8_t>(random_());
    return result;
  }

  // Every shape that a store sees, and all lengths around blocks and chunks.
  Row row() {
    static constexpr std::size_t kKeys[] = {1, 20, 20, 52, 52, 52, 64, 300};
    static constexpr std::size_t kValues[] = {0,  1,  8,   32,  32,  32,   40,
                                              72, 72, 100, 900, 960, 1100, 5000};
    Row row;
    row.key = bytes(kKeys[random_() % std::size(kKeys)]);
    row.old_value = bytes(kValues[random_() % std::size(kValues)]);
    row.new_value =
        random_() % 8 == 0 ? row.old_value : bytes(kValues[random_() % std::size(kValues)]);
    return row;
  }

  std::vector<Row> many(std::size_t count) {
    std::vector<Row> result(count);
    for (auto& row : result) row = this->row();
    return result;
  }

  std::mt19937& random() { return random_; }

 private:
  std::mt19937 random_;
};

std::vector<RowChange> changes(const std::vector<Row>& rows) {
  std::vector<RowChange> result;
  for (const auto& row : rows) result.push_back({row.key, row.old_value, row.new_value});
  return result;
}

LtHash plain_sum(const std::vector<Row>& rows) {
  LtHash sum;
  for (const auto& row : rows) {
    sum -= plain_element(row.key, row.old_value);
    sum += plain_element(row.key, row.new_value);
  }
  return sum;
}

class Batch : public testing::TestWithParam<Kernel> {
  WithKernel with_{GetParam()};
};

TEST_P(Batch, ElementsOfEveryLength) {
  Rows rows(1);
  const Bytes key = rows.bytes(2000);
  const Bytes value = rows.bytes(5000);
  for (std::size_t size = 1; size <= 5000; size += size < 1300 ? 1 : 37) {
    const ByteView k(key.data() + size % 3, 52);
    const ByteView v(value.data(), size);
    ASSERT_EQ(element(k, v), plain_element(k, v)) << size;
  }
  for (const std::size_t size : {1U, 55U, 56U, 1015U, 1016U, 1017U, 1024U, 2000U}) {
    const ByteView k(key.data(), size);
    ASSERT_EQ(element(k, {value.data(), 1}), plain_element(k, {value.data(), 1})) << size;
    ASSERT_EQ(element(k, value), plain_element(k, value)) << size;
  }
}

// As many as are hashed together, and more, of each number of hash blocks.
TEST_P(Batch, ManyRowsOfOneLength) {
  Rows rows(7);
  for (std::size_t size = 64; size <= 1024; size += 64) {
    std::vector<Row> batch(70);
    for (Row& row : batch) row = {rows.bytes(20), {}, rows.bytes(size - 4 - 20 - 4)};
    LtHash sum;
    accumulate(changes(batch), sum);
    ASSERT_EQ(sum, plain_sum(batch)) << size;
  }
}

// With a page on each side of it that nobody may touch.
TEST_P(Batch, ACollectorKeepsToItsMemory) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t room = (sizeof(Collector) + page - 1) / page * page;
  void* const all = ::mmap(nullptr, room + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(all, MAP_FAILED);
  std::uint8_t* const first = static_cast<std::uint8_t*>(all) + page;
  ASSERT_EQ(::mprotect(first, room, PROT_READ | PROT_WRITE), 0);
  for (const std::size_t offset : {std::size_t{0}, room - sizeof(Collector)}) {
    auto* const sum = ::new (first + offset) Collector;
    Rows rows(8);
    for (std::size_t size = 64; size <= 1024; size += 64) {
      for (const std::size_t less : {0U, 31U}) {
        LtHash found;
        LtHash expected;
        sum->begin(blake3::backend());
        for (int i = 0; i < 70; ++i) {
          const Bytes key = rows.bytes(20);
          const Bytes value = rows.bytes(size - less - 4 - 20 - 4);
          sum->add(key, value, i % 3 == 0);
          if (i % 3 == 0) {
            expected -= plain_element(key, value);
          } else {
            expected += plain_element(key, value);
          }
        }
        sum->finish(found);
        ASSERT_EQ(found, expected) << size << ' ' << less;
      }
    }
    sum->~Collector();
  }
  ASSERT_EQ(::munmap(all, room + 2 * page), 0);
}

TEST_P(Batch, LargeValues) {
  Rows rows(2);
  const Bytes key = rows.bytes(65'536);
  const Bytes value = rows.bytes(200'000);
  for (const std::size_t key_size : {20U, 1016U, 65'536U}) {
    for (const std::size_t size : {24'576U, 65'480U, 65'508U, 65'509U, 200'000U}) {
      const ByteView k(key.data(), key_size);
      const ByteView v(value.data(), size);
      ASSERT_EQ(element(k, v), plain_element(k, v)) << key_size << ' ' << size;
    }
  }
}

TEST_P(Batch, EmptyKeysAndValuesGiveNothing) {
  const Bytes some = {1, 2, 3};
  EXPECT_EQ(element({}, some), LtHash());
  EXPECT_EQ(element(some, {}), LtHash());
  LtHash sum;
  const RowChange rows[] = {{{}, some, some}, {some, {}, {}}, {{}, {}, some}};
  accumulate(rows, sum);
  EXPECT_EQ(sum, LtHash());
}

TEST_P(Batch, EveryBatchSize) {
  Rows rows(3);
  for (std::size_t count = 0; count <= 70; ++count) {
    const auto batch = rows.many(count);
    LtHash sum;
    accumulate(changes(batch), sum);
    ASSERT_EQ(sum, plain_sum(batch)) << count;
  }
}

// A row that did not exist is not subtracted; an account of zeros did exist.
// docs/hazards.md#phantom-mix-out
TEST_P(Batch, NothingIsSubtractedForARowThatWasAbsent) {
  const Bytes key(20, 7);
  const Bytes zeros(40, 0);
  const Bytes value(40, 1);
  LtHash from_absent;
  accumulate(std::vector<RowChange>{{key, {}, value}}, from_absent);
  EXPECT_EQ(from_absent, plain_element(key, value));
  LtHash from_zeros;
  accumulate(std::vector<RowChange>{{key, zeros, value}}, from_zeros);
  EXPECT_EQ(from_zeros, plain_element(key, value) - plain_element(key, zeros));
}

TEST_P(Batch, AddsToWhatIsThere) {
  Rows rows(4);
  const auto first = rows.many(13);
  const auto second = rows.many(21);
  LtHash sum;
  accumulate(changes(first), sum);
  accumulate(changes(second), sum);
  EXPECT_EQ(sum, plain_sum(first) + plain_sum(second));
}

// Order and split do not matter, and a change that is undone leaves nothing.
TEST_P(Batch, OrderAndSplitDoNotMatterAndChangesInvert) {
  Rows rows(5);
  for (int round = 0; round < 20; ++round) {
    auto batch = rows.many(1 + rows.random()() % 60);
    LtHash sum;
    accumulate(changes(batch), sum);

    std::ranges::shuffle(batch, rows.random());
    const auto shuffled = changes(batch);
    const std::size_t cut = rows.random()() % (shuffled.size() + 1);
    LtHash split;
    accumulate(std::span(shuffled).subspan(0, cut), split);
    accumulate(std::span(shuffled).subspan(cut), split);
    EXPECT_EQ(split, sum);

    for (auto& row : batch) std::swap(row.old_value, row.new_value);
    accumulate(changes(batch), sum);
    EXPECT_EQ(sum, LtHash());
  }
}

// A chain of writes of one key telescopes to its net change.
TEST_P(Batch, NetChangeEqualsTheChainOfWrites) {
  Rows rows(6);
  const Bytes key = rows.bytes(52);
  std::vector<Bytes> values;
  for (int i = 0; i < 10; ++i) values.push_back(rows.bytes(1 + rows.random()() % 100));
  std::vector<RowChange> chain;
  for (std::size_t i = 0; i + 1 < values.size(); ++i) {
    chain.push_back({key, values[i], values[i + 1]});
  }
  LtHash all;
  LtHash net;
  accumulate(chain, all);
  accumulate(std::vector<RowChange>{{key, values.front(), values.back()}}, net);
  EXPECT_EQ(all, net);
}

INSTANTIATE_TEST_SUITE_P(Kernels, Batch, testing::ValuesIn(kernels()), [](const auto& kernel) {
  return std::string(blake3::to_string(kernel.param));
});

}  // namespace
}  // namespace flatkv::lthash

// SPDX-License-Identifier: Apache-2.0
#include "memtable/memtable.hpp"

#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "memtable/row_cache.hpp"

namespace flatkv::bench {
namespace {

constexpr std::size_t kKeyBytes = 53;
constexpr std::size_t kValueBytes = 32;
constexpr std::size_t kBlock = 1000;
constexpr std::size_t kStep = 16;

struct Keys {
  explicit Keys(std::size_t count) : bytes(count * kKeyBytes), hashes(count) {
    std::mt19937_64 random(42);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(random());
    for (std::size_t i = 0; i < count; ++i) hashes[i] = memory::key_hash(key(i));
  }
  ByteView key(std::size_t i) const { return {bytes.data() + i * kKeyBytes, kKeyBytes}; }
  std::vector<std::uint8_t> bytes;
  std::vector<std::uint64_t> hashes;
};

const Keys& keys(std::size_t count) {
  static Keys kept(1);
  if (kept.hashes.size() != count) kept = Keys(count);
  return kept;
}

/// Runs `work` for the block's keys after prefetching each in two steps.
template <class First, class Second, class Work>
void pipelined(const std::vector<std::uint32_t>& block, First first, Second second, Work work) {
  for (std::size_t i = 0; i < block.size() + 2 * kStep; ++i) {
    if (i < block.size()) first(block[i]);
    if (i >= kStep && i - kStep < block.size()) second(block[i - kStep]);
    if (i >= 2 * kStep) work(block[i - 2 * kStep]);
  }
}

/// A block's keys, adjacent in memory as in the pending block.
struct Block {
  Block(const Keys& all, std::mt19937_64& random, std::size_t from, std::size_t count) {
    for (std::uint32_t i = 0; i < kBlock; ++i) {
      const std::size_t chosen = from + random() % count;
      const ByteView key = all.key(chosen);
      bytes.insert(bytes.end(), key.begin(), key.end());
      hashes.push_back(all.hashes[chosen]);
      order.push_back(i);
    }
  }
  ByteView key(std::size_t i) const { return {bytes.data() + i * kKeyBytes, kKeyBytes}; }
  Bytes bytes;
  std::vector<std::uint64_t> hashes;
  std::vector<std::uint32_t> order;
};

void insert_into_buffer(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const Keys& all = keys(count);
  const Bytes value(kValueBytes, 7);
  for (auto _ : state) {
    memtable::Memtable buffer(state.range(1) != 0 ? count : 0);
    std::vector<std::uint32_t> block(kBlock);
    for (std::size_t from = 0; from < count; from += kBlock) {
      for (std::size_t i = 0; i < kBlock; ++i) block[i] = static_cast<std::uint32_t>(from + i);
      pipelined(
          block, [&](std::uint32_t i) { buffer.prefetch(all.hashes[i]); },
          [&](std::uint32_t i) { buffer.prefetch_row(all.hashes[i]); },
          [&](std::uint32_t i) {
            buffer.insert({all.key(i), all.hashes[i], false, value, false}, 1);
          });
    }
    benchmark::DoNotOptimize(buffer.keys());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(insert_into_buffer)
    ->Args({700'000, 0})
    ->Args({700'000, 1})
    ->Unit(benchmark::kMillisecond);

void find_in_buffer(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const Keys& all = keys(2 * count);
  const Bytes value(kValueBytes, 7);
  memtable::Memtable buffer;
  for (std::size_t i = 0; i < count; ++i)
    buffer.insert({all.key(i), all.hashes[i], false, value, false}, 1);
  std::mt19937_64 random(1);
  const std::size_t shift = state.range(1) != 0 ? count : 0;
  for (auto _ : state) {
    state.PauseTiming();
    const Block block(all, random, shift, count);
    state.ResumeTiming();
    pipelined(
        block.order, [&](std::uint32_t i) { buffer.prefetch(block.hashes[i]); },
        [&](std::uint32_t i) { buffer.prefetch_row(block.hashes[i]); },
        [&](std::uint32_t i) {
          benchmark::DoNotOptimize(buffer.find(block.key(i), block.hashes[i], {1}));
        });
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBlock));
}
BENCHMARK(find_in_buffer)->ArgNames({"rows", "absent"})->Args({700'000, 0})->Args({700'000, 1});

void sort_buffer(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const Keys& all = keys(count);
  const Bytes value(kValueBytes, 7);
  for (auto _ : state) {
    state.PauseTiming();
    auto buffer = std::make_unique<memtable::Memtable>(count);
    Bytes key(kKeyBytes);
    for (std::size_t i = 0; i < count; ++i) {
      const ByteView from = all.key(i);
      std::copy(from.begin(), from.end(), key.begin());
      if (state.range(1) != 0) {  // few contracts, many slots
        std::fill_n(key.begin(), 20, std::uint8_t{0x11});
        key[19] = static_cast<std::uint8_t>(from[19] % 100);
      }
      buffer->insert({key, memory::key_hash(key), false, value, false}, 1);
    }
    state.ResumeTiming();
    benchmark::DoNotOptimize(buffer->sorted().size());
    state.PauseTiming();
    buffer.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(sort_buffer)
    ->ArgNames({"rows", "contracts"})
    ->Args({700'000, 0})
    ->Args({700'000, 100})
    ->Unit(benchmark::kMillisecond);

void find_in_cache(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const Keys& all = keys(count);
  const Bytes value(kValueBytes, 7);
  memtable::RowCache cache(count * 140 + (16 << 20));
  for (std::size_t i = 0; i < count; ++i)
    cache.insert(Database::storage, all.key(i), all.hashes[i], 1, value);
  std::mt19937_64 random(1);
  memory::Arena arena;
  std::size_t unknown = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const Block block(all, random, 0, count);
    state.ResumeTiming();
    arena.clear();
    pipelined(
        block.order, [&](std::uint32_t i) { cache.prefetch(Database::storage, block.hashes[i]); },
        [&](std::uint32_t i) { cache.prefetch_row(Database::storage, block.hashes[i]); },
        [&](std::uint32_t i) {
          const memtable::Lookup found =
              cache.find(Database::storage, block.key(i), block.hashes[i], 1, arena);
          unknown += found.presence == memtable::Presence::unknown;
        });
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBlock));
  state.counters["missed"] =
      static_cast<double>(unknown) / (static_cast<double>(state.iterations()) * kBlock);
  state.counters["bytes/row"] = static_cast<double>(cache.memory()) / static_cast<double>(count);
}
BENCHMARK(find_in_cache)->Arg(1'000'000)->Arg(4'000'000);

void insert_into_full_cache(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const Keys& all = keys(count);
  const Bytes value(kValueBytes, 7);
  memtable::RowCache cache(count * 30);
  for (auto _ : state) {
    for (std::size_t i = 0; i < count; ++i) {
      if (i + 16 < count) cache.prefetch(Database::storage, all.hashes[i + 16]);
      cache.insert(Database::storage, all.key(i), all.hashes[i], 1, value);
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(insert_into_full_cache)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void flush_into_cache(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const Keys& all = keys(count);
  const Bytes value(kValueBytes, 7);
  memtable::Memtable buffer(count);
  for (std::size_t i = 0; i < count; ++i)
    buffer.insert({all.key(i), all.hashes[i], false, value, false}, 1);
  memtable::RowCache cache(count * 200);
  memtable::Stamp stamp = 1;
  cache.flushed(Database::storage, buffer, {++stamp});  // so that rows are replaced, not added
  for (auto _ : state) cache.flushed(Database::storage, buffer, {++stamp});
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(flush_into_cache)->Arg(700'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace flatkv::bench

BENCHMARK_MAIN();

// SPDX-License-Identifier: Apache-2.0
// Time of one element, one digest and one batch for each kernel, in Google Benchmark's form. On a
// shared machine use scripts/bench-kernel, which interleaves the kernels.

#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "blake3/blake3.hpp"
#include "blake3/kernel.hpp"
#include "lthash/batch.hpp"

namespace {

using flatkv::Bytes;
using flatkv::ByteView;
using flatkv::LtHash;
using flatkv::blake3::Kernel;
using flatkv::lthash::RowChange;

Bytes random_bytes(std::size_t size) {
  std::mt19937_64 random(size);
  Bytes bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

void digest(benchmark::State& state, Kernel kernel) {
  (void)flatkv::blake3::select(kernel);
  const Bytes input = random_bytes(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(flatkv::blake3::hash(input));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void element(benchmark::State& state, Kernel kernel) {
  (void)flatkv::blake3::select(kernel);
  const Bytes key = random_bytes(52);
  const Bytes value = random_bytes(static_cast<std::size_t>(state.range(0)));
  LtHash sum;
  const RowChange row = {key, {}, value};
  for (auto _ : state) flatkv::lthash::accumulate({&row, 1}, sum);
  benchmark::DoNotOptimize(sum);
}

void batch(benchmark::State& state, Kernel kernel) {
  (void)flatkv::blake3::select(kernel);
  const auto count = static_cast<std::size_t>(state.range(0));
  const Bytes data = random_bytes(116 * count);
  std::vector<RowChange> rows;
  for (std::size_t i = 0; i < count; ++i) {
    const ByteView row = ByteView(data).subspan(116 * i, 116);
    rows.push_back({row.subspan(0, 52), row.subspan(52, 32), row.subspan(84, 32)});
  }
  LtHash sum;
  for (auto _ : state) flatkv::lthash::accumulate(rows, sum);
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations() * 2 * state.range(0));  // elements
}

}  // namespace

int main(int argc, char** argv) {
  for (std::size_t i = 0; i < flatkv::blake3::kKernels; ++i) {
    const auto kernel = static_cast<Kernel>(i);
    if (!flatkv::blake3::supported(kernel)) continue;
    const std::string name(flatkv::blake3::to_string(kernel));
    benchmark::RegisterBenchmark(("digest/" + name).c_str(), digest, kernel)
        ->Arg(64)
        ->Arg(2048)
        ->Arg(1 << 20);
    benchmark::RegisterBenchmark(("element/" + name).c_str(), element, kernel)
        ->Arg(32)
        ->Arg(24'576);
    benchmark::RegisterBenchmark(("batch/" + name).c_str(), batch, kernel)
        ->Arg(4)
        ->Arg(64)
        ->Arg(1000);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

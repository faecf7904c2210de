// SPDX-License-Identifier: Apache-2.0
// Every kernel against BLAKE3's official C, interleaved in one run: a shared machine may change its
// speed for minutes at a time, so only ratios of neighbouring measurements mean something.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/stopwatch.hpp"
#include "blake3/blake3.hpp"
#include "blake3/kernel.hpp"
#include "lthash/hashing_share.hpp"
#include "lthash/summation.hpp"
#include "official.hpp"

namespace {

using flatkv::Bytes;
using flatkv::ByteView;
using flatkv::LtHash;
using flatkv::lthash::RowChange;
namespace blake3 = flatkv::blake3;
namespace lthash = flatkv::lthash;
namespace official = flatkv::official;

std::uint8_t g_sink[2048];  // what the official library writes

struct Contender {
  std::string name;
  std::function<void()> prepare;
  std::function<void()> run;
  std::vector<double> samples{};
};

double nanoseconds(const std::function<void()>& run, int times) {
  const flatkv::Stopwatch watch;
  for (int i = 0; i < times; ++i) run();
  return static_cast<double>(watch.nanoseconds()) / times;
}

double tenth_percentile(std::vector<double> samples) {
  std::ranges::sort(samples);
  return samples[samples.size() / 10];
}

bool g_json = false;

// A line to read, or one JSON object per comparison for scripts/plot; names need no escapes.
void print(const char* title, const std::vector<Contender>& contenders) {
  const double yardstick = tenth_percentile(contenders.front().samples);
  std::printf(g_json ? "{\"title\":\"%s\",\"contenders\":["
                     : "\n%s\n                             min ns     p10 ns    ratio\n",
              title);
  for (const auto& contender : contenders) {
    const double p10 = tenth_percentile(contender.samples);
    const double least = std::ranges::min(contender.samples);
    if (g_json) {
      std::printf("%s{\"name\":\"%s\",\"min_ns\":%.1f,\"p10_ns\":%.1f,\"ratio\":%.3f}",
                  &contender == &contenders.front() ? "" : ",", contender.name.c_str(), least, p10,
                  yardstick / p10);
    } else {
      std::printf("  %-22s %10.1f %10.1f %8.2f\n", contender.name.c_str(), least, p10,
                  yardstick / p10);
    }
  }
  if (g_json) std::printf("]}\n");
}

// Prints ns per element (minimum and 10th percentile) and the speed relative to the first.
void compare(const char* title, double elements, std::vector<Contender> contenders, int rounds) {
  std::vector<int> times;
  for (auto& contender : contenders) {
    contender.prepare();
    const double once = nanoseconds(contender.run, 3);
    times.push_back(std::max(1, static_cast<int>(100'000 / once)));
  }
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      contenders[i].prepare();
      contenders[i].run();
      contenders[i].samples.push_back(nanoseconds(contenders[i].run, times[i]) / elements);
    }
  }
  print(title, contenders);
}

std::vector<blake3::Kernel> kernels() {
  std::vector<blake3::Kernel> result;
  for (std::size_t i = 0; i < blake3::kKernels; ++i) {
    const auto kernel = static_cast<blake3::Kernel>(i);
    if (blake3::supported(kernel)) result.push_back(kernel);
  }
  return result;
}

// `run` by the official library, first limited to AVX2, then with AVX-512.
void add_official(std::vector<Contender>& to, const std::function<void()>& run) {
  to.push_back({"official, AVX2", [] { official::limit_to(official::Level::avx2); }, run});
  if (official::limit_to(official::Level::avx512)) {
    to.push_back({"official, AVX-512", [] { official::limit_to(official::Level::avx512); }, run});
  }
}

void add_ours(std::vector<Contender>& to, const std::function<void()>& run) {
  for (const auto kernel : kernels()) {
    to.push_back({"flatkv, " + std::string(blake3::to_string(kernel)),
                  [kernel] { (void)blake3::select(kernel); }, run});
  }
}

struct Input {
  Input(std::size_t count, std::size_t key_bytes, std::size_t value_bytes)
      : bytes(count * (key_bytes + 2 * value_bytes)) {
    std::mt19937_64 random(5);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    const ByteView all(bytes);
    for (std::size_t i = 0; i < count; ++i) {
      const ByteView row = all.subspan(i * (key_bytes + 2 * value_bytes));
      rows.push_back({row.subspan(0, key_bytes), row.subspan(key_bytes, value_bytes),
                      row.subspan(key_bytes + value_bytes, value_bytes)});
    }
  }
  Bytes bytes;
  std::vector<RowChange> rows;
};

void official_element(ByteView key, ByteView value) {
  static Bytes input;
  input.resize(8 + key.size() + value.size());
  const auto key_size = static_cast<std::uint32_t>(key.size());
  const auto value_size = static_cast<std::uint32_t>(value.size());
  std::memcpy(input.data(), &key_size, 4);
  std::memcpy(input.data() + 4, key.data(), key.size());
  std::memcpy(input.data() + 4 + key.size(), &value_size, 4);
  std::memcpy(input.data() + 8 + key.size(), value.data(), value.size());
  official::element(input.data(), input.size(), g_sink);
}

void batch(const char* title, std::size_t rows, std::size_t key, std::size_t value, int rounds) {
  const Input input(rows, key, value);
  LtHash sum;
  std::vector<Contender> contenders;
  add_official(contenders, [&] {
    for (const auto& row : input.rows) {
      official_element(row.key, row.old_value);
      official_element(row.key, row.new_value);
    }
  });
  add_ours(contenders, [&] { lthash::accumulate(input.rows, sum); });
  compare(title, 2.0 * static_cast<double>(rows), std::move(contenders), rounds);
}

void single(const char* title, std::size_t key, std::size_t value, int rounds) {
  const Input input(64, key, value);
  LtHash sum;
  std::vector<Contender> contenders;
  add_official(contenders, [&] {
    for (const auto& row : input.rows) official_element(row.key, row.new_value);
  });
  add_ours(contenders, [&] {
    for (const auto& row : input.rows) {
      const RowChange one = {row.key, {}, row.new_value};
      lthash::accumulate({&one, 1}, sum);
    }
  });
  compare(title, 64, std::move(contenders), rounds);
}

void digest(const char* title, std::size_t size, int rounds) {
  const Input input(1, size, 1);
  const ByteView bytes = input.rows.front().key;
  std::vector<Contender> contenders;
  add_official(contenders, [&] { official::hash(bytes.data(), bytes.size(), g_sink); });
  add_ours(contenders, [&] {
    const auto result = blake3::hash(bytes);
    std::memcpy(g_sink, result.data(), result.size());
  });
  compare(title, 1, std::move(contenders), rounds);
}

void threads(const char* title, std::size_t rows, int rounds) {
  const Input input(rows, 52, 32);
  LtHash sum;
  const auto on_threads = [&](std::size_t count) {
    const auto share = std::make_shared<lthash::HashingShare>(nullptr, count);
    return [&, summation = std::make_shared<lthash::Summation>(share)] {
      for (const auto& row : input.rows) summation->add(sum, row);
      summation->wait();
    };
  };
  std::vector<Contender> contenders;
  contenders.push_back({"one thread", [] { (void)blake3::select(blake3::detect()); },
                        [&] { lthash::accumulate(input.rows, sum); }});
  contenders.push_back({"one thread, pool", [] {}, on_threads(1)});
  contenders.push_back({"two threads", [] {}, on_threads(2)});
  compare(title, 2.0 * static_cast<double>(rows), std::move(contenders), rounds);
}

}  // namespace

// kernel_ratio [ROUNDS [--json]]
int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 200;
  g_json = argc > 2 && std::string_view(argv[2]) == "--json";
  if (!official::limit_to(official::Level::avx2)) std::fprintf(stderr, "this CPU has no AVX2\n");
  if (!g_json) {
    std::printf("official C %s; ratio: speed of the first line = 1 (10th percentiles)\n",
                official::version());
  }
  batch("element in a batch of 128: 52-byte key, 32-byte value (92 bytes)", 64, 52, 32, rounds);
  batch("element in a batch of 128: 20-byte key, 72-byte value (100 bytes)", 64, 20, 72, rounds);
  batch("element in a batch of 8 (92 bytes)", 4, 52, 32, rounds);
  single("single element (92 bytes)", 52, 32, rounds);
  single("single element, 24 KiB value", 20, 24'576, rounds / 4 + 1);
  digest("digest of a lattice hash (2048 bytes)", 2048, rounds);
  digest("digest of 1 MiB", 1 << 20, rounds / 4 + 1);
  threads("two threads: 10 rows (must not be slower)", 10, rounds);
  threads("two threads: 100 rows", 100, rounds);
  threads("two threads: 1000 rows", 1000, rounds / 4 + 1);
  threads("two threads: 10 000 rows", 10'000, rounds / 16 + 1);
  return 0;
}

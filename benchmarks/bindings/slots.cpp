// SPDX-License-Identifier: Apache-2.0
// The workload `slots` in its simplest form, as it is written in each language that has a binding:
// what a language costs is what its program takes more than this one. scripts/bench-bindings runs
// them in turn. bindings/go/cmd/slots/main.go is the same in Go, and
// bindings/rust/flatkv/examples/slots.rs in Rust; keep them alike.
//
//   slots DIR ROWS BLOCKS GETS sync|process
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <flatkv/store.hpp>
#include <iostream>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kWrites = 1000;
constexpr std::uint64_t kLoadWrites = 10000;
constexpr std::uint64_t kWarmRows = 4096;

using Key = std::array<std::uint8_t, 53>;
using Clock = std::chrono::steady_clock;

std::uint64_t mixed(std::uint64_t number) {
  number += 0x9e3779b97f4a7c15;
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
  return number ^ (number >> 31);
}

void put(std::uint8_t* to, std::uint64_t number) {
  for (int i = 7; i >= 0; --i, number >>= 8) to[i] = static_cast<std::uint8_t>(number);
}

Key key_of(std::uint64_t row) {
  Key key{0x03};
  put(key.data() + 21, mixed(row));
  return key;
}

template <class T>
T must(flatkv::Result<T>&& result) {
  if (result) return std::move(*result);
  std::cerr << result.error().to_string() << '\n';
  std::exit(1);
}

class Run {
 public:
  Run(flatkv::CommitStore& store) : store_(store) {}

  // Commits a block of new rows, or of as many new ones as others.
  void block(std::size_t writes, bool load) {
    keys_.clear();
    values_.clear();
    pairs_.clear();
    for (std::size_t i = 0; i < writes; ++i) {
      const bool fresh = load || i % 2 == 1;
      keys_.push_back(key_of(fresh ? rows_++ : mixed(++drawn_) % rows_));
      put(values_.emplace_back().data(), mixed(++drawn_));
    }
    for (std::size_t i = 0; i < writes; ++i) {
      pairs_.push_back({.key = keys_[i], .value = values_[i]});
    }
    const flatkv::NamedChangeSet set{.name = "evm", .pairs = pairs_};
    if (auto applied = store_.apply(std::span(&set, 1)); !applied) std::exit(1);
    must(store_.commit(store_.version() + 1));
  }

 private:
  flatkv::CommitStore& store_;
  std::uint64_t rows_ = 0;
  std::uint64_t drawn_ = 0;
  std::vector<Key> keys_;
  std::vector<std::array<std::uint8_t, 32>> values_;
  std::vector<flatkv::KVPair> pairs_;
};

double microseconds(Clock::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 6) return 2;
  const std::uint64_t rows = std::stoull(arguments[2]);
  const std::uint64_t blocks = std::stoull(arguments[3]);
  const std::uint64_t gets = std::stoull(arguments[4]);
  flatkv::Options options;
  options.create_if_missing = true;
  options.durability =
      arguments[5] == std::string("sync") ? flatkv::Durability::sync : flatkv::Durability::process;
  flatkv::CommitStore store = must(flatkv::CommitStore::open(arguments[1], options));
  Run run(store);
  for (std::uint64_t row = 0; row < rows; row += kLoadWrites) run.block(kLoadWrites, true);

  std::vector<double> times;
  for (std::uint64_t i = 0; i < blocks; ++i) {
    const Clock::time_point begin = Clock::now();
    run.block(kWrites, false);
    times.push_back(microseconds(Clock::now() - begin));
  }
  std::ranges::sort(times);

  const flatkv::ReadView view = must(store.view());
  std::vector<Key> warm;
  for (std::uint64_t row = 0; row < kWarmRows; ++row) warm.push_back(key_of(row));
  for (const Key& key : warm) must(view.get(key));
  std::uint64_t bytes = 0;
  const Clock::time_point begin = Clock::now();
  for (std::uint64_t i = 0; i < gets; ++i)
    bytes += must(view.get(warm[mixed(i) % kWarmRows]))->size();
  const double get = microseconds(Clock::now() - begin) * 1000 / static_cast<double>(gets);
  if (bytes != gets * 32) return 1;
  std::cout << R"({"language": "C++", "block_us": )" << times[times.size() / 2] << R"(, "get_ns": )"
            << get << "}\n";
  return store.close() ? 0 : 1;
}

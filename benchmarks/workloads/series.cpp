// SPDX-License-Identifier: Apache-2.0
#include "workloads/series.hpp"

#include <algorithm>
#include <numeric>

#include "base/assert.hpp"

namespace flatkv::bench {

Summary summarize(std::vector<std::uint64_t> times) {
  if (times.empty()) return {};
  std::ranges::sort(times);
  const auto at = [&](std::size_t percent) {
    return static_cast<double>(times[std::min(times.size() - 1, times.size() * percent / 100)]);
  };
  const std::uint64_t sum = std::accumulate(times.begin(), times.end(), std::uint64_t{0});
  return {.p50 = at(50),
          .p99 = at(99),
          .max = static_cast<double>(times.back()),
          .mean = static_cast<double>(sum) / static_cast<double>(times.size())};
}

void Series::add(const PhaseTimes& times, Background beside, std::uint64_t lost_the_core) {
  entries_.push_back({times, times.total(), beside, lost_the_core});
}

Summary Series::block() const {
  std::vector<std::uint64_t> times;
  times.reserve(entries_.size());
  for (const Entry& entry : entries_) times.push_back(entry.total);
  return summarize(std::move(times));
}

Summary Series::phase(Phase phase) const {
  std::vector<std::uint64_t> times;
  times.reserve(entries_.size());
  for (const Entry& entry : entries_) times.push_back(entry.times.of(phase));
  return summarize(std::move(times));
}

double Series::seconds() const {
  double sum = 0;
  for (const Entry& entry : entries_) sum += static_cast<double>(entry.total) * 1e-9;
  return sum;
}

std::size_t Series::longest() const {
  FLATKV_ASSERT(!entries_.empty());
  const auto found = std::ranges::max_element(entries_, {}, &Entry::total);
  return static_cast<std::size_t>(found - entries_.begin());
}

Series::Tail Series::tail() const {
  Tail tail;
  const double from = block().p99;
  std::array<double, kPhases> medians{};
  for (std::size_t i = 0; i < kPhases; ++i) medians[i] = phase(static_cast<Phase>(i)).p50;
  std::array<double, kPhases> excess{};
  for (const Entry& entry : entries_) {
    if (static_cast<double>(entry.total) < from) continue;
    ++tail.blocks;
    tail.flushing += entry.beside.flushing ? 1 : 0;
    tail.compacting += entry.beside.compacting ? 1 : 0;
    tail.lost_the_core += entry.lost_the_core != 0 ? 1 : 0;
    for (std::size_t i = 0; i < kPhases; ++i) {
      excess[i] += static_cast<double>(entry.times[i]) - medians[i];
    }
  }
  for (std::size_t i = 0; i < kPhases; ++i) {
    tail.excess[i] = static_cast<std::uint64_t>(
        std::max(0.0, excess[i] / static_cast<double>(std::max<std::size_t>(1, tail.blocks))));
  }
  return tail;
}

}  // namespace flatkv::bench

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "workloads/subject.hpp"

namespace flatkv::bench {

/// Of a set of times: median, 99th percentile, maximum, mean. Nanoseconds.
struct Summary {
  double p50 = 0;
  double p99 = 0;
  double max = 0;
  double mean = 0;
};

/// The cost of each block of a run, kept in full rather than in buckets.
class Series {
 public:
  struct Entry {
    PhaseTimes times;
    std::uint64_t total = 0;
    Background beside;
    std::uint64_t lost_the_core = 0;
  };

  void add(const PhaseTimes& times, Background beside = {}, std::uint64_t lost_the_core = 0);
  std::size_t size() const noexcept { return entries_.size(); }
  const std::vector<Entry>& entries() const noexcept { return entries_; }

  Summary block() const;
  Summary phase(Phase phase) const;
  double seconds() const;  ///< of all blocks together

  /// Index of the slowest block. The series must not be empty.
  std::size_t longest() const;
  /// Median and maximum of the blocks at or above the 99th percentile, and what ran beside them.
  struct Tail {
    std::size_t blocks = 0;
    std::size_t flushing = 0;
    std::size_t compacting = 0;
    std::size_t lost_the_core = 0;
    PhaseTimes excess{};  ///< mean above each phase's median
  };
  Tail tail() const;

 private:
  std::vector<Entry> entries_;
};

Summary summarize(std::vector<std::uint64_t> times);

}  // namespace flatkv::bench

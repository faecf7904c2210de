// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>

#include "flatkv/store.hpp"
#include "rocks/db.hpp"

// What the metrics tell beside StoreMetrics.
namespace flatkv::commit {

/// How long something took each time, counted in buckets.
struct DurationCounts {
  /// Upper bounds of the buckets, in nanoseconds: 1, 2 and 5 µs, 10, … to 50 s. What took longer is
  /// in one more.
  static constexpr std::array<std::uint64_t, 24> kBounds = [] {
    std::array<std::uint64_t, 24> bounds{};
    std::uint64_t decade = 1000;
    for (std::size_t i = 0; i < bounds.size(); i += 3, decade *= 10) {
      bounds[i] = decade;
      bounds[i + 1] = 2 * decade;
      bounds[i + 2] = 5 * decade;
    }
    return bounds;
  }();
  std::array<std::uint64_t, kBounds.size() + 1> counts{};
  std::uint64_t nanoseconds = 0;  ///< in all
};

/// DurationCounts that go on while others read them. Any thread; takes no lock.
class Durations {
 public:
  void add(std::uint64_t nanoseconds) noexcept {
    const auto& bounds = DurationCounts::kBounds;
    const auto bucket = std::ranges::lower_bound(bounds, nanoseconds) - bounds.begin();
    counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
    nanoseconds_.fetch_add(nanoseconds, std::memory_order_relaxed);
  }
  DurationCounts read() const noexcept {
    DurationCounts durations;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      durations.counts[i] = counts_[i].load(std::memory_order_relaxed);
    }
    durations.nanoseconds = nanoseconds_.load(std::memory_order_relaxed);
    return durations;
  }

 private:
  std::array<std::atomic<std::uint64_t>, DurationCounts::kBounds.size() + 1> counts_{};
  std::atomic<std::uint64_t> nanoseconds_{0};
};

/// One `T` for a whole block, and one for each phase of CommitTimings.
template <class T>
struct PerPhase {
  T whole, route, read, hash, log, buffer, publish, wait;
};

inline void add(PerPhase<Durations>& to, const CommitTimings& block) noexcept {
  to.whole.add(block.route + block.read + block.hash + block.log + block.buffer + block.publish +
               block.wait);
  to.route.add(block.route);
  to.read.add(block.read);
  to.hash.add(block.hash);
  to.log.add(block.log);
  to.buffer.add(block.buffer);
  to.publish.add(block.publish);
  to.wait.add(block.wait);
}

inline PerPhase<DurationCounts> read(const PerPhase<Durations>& from) noexcept {
  return {from.whole.read(), from.route.read(),  from.read.read(),    from.hash.read(),
          from.log.read(),   from.buffer.read(), from.publish.read(), from.wait.read()};
}

/// Snapshots written since the open, by hand or automatically.
struct SnapshotCounts {
  std::uint64_t written = 0;
  std::uint64_t failed = 0;
  bool last_failed = false;
  std::optional<std::int64_t> last_version;  ///< of the last one written
  std::int64_t last_time = 0;                ///< when it was, in seconds since 1970
  std::uint64_t last_nanoseconds = 0;        ///< that it took
};

struct Figures {
  PerPhase<DurationCounts> commits;
  DurationCounts flushes;  ///< whole ones, with the snapshot that follows some
  SnapshotCounts snapshots;
  struct Tables {
    std::uint64_t bytes = 0;
    rocks::Pressure pressure;
  };
  PerDatabase<Tables> tables;
  bool failed = false;  ///< writes return `store_failed`
};

}  // namespace flatkv::commit

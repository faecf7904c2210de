#include "lthash/batch.hpp"

#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

#include "base/bytes.hpp"
#include "blake3/kernel.hpp"
#include "lthash/collector.hpp"

namespace flatkv::lthash {
namespace {

// One per thread, so that its slots stay in the cache.
Collector& collector() {
  thread_local const std::unique_ptr<Collector> mine = std::make_unique_for_overwrite<Collector>();
  return *mine;
}

void accumulate_with(const blake3::Backend& backend, std::span<const RowChange> rows,
                     LtHash& accumulator) {
  if (rows.empty()) return;
  Collector& sum = collector();
  sum.begin(backend);
  for (const auto& row : rows) {
    if (equal(row.old_value, row.new_value)) continue;
    sum.add(row.key, row.old_value, true);
    sum.add(row.key, row.new_value, false);
  }
  sum.finish(accumulator);
}

// Cost is counted in bytes of input, drawing the output of an element being worth this many.
constexpr std::size_t kElementCost = 1024;
// Less than this (some tens of microseconds) is not worth waking a thread.
constexpr std::size_t kSerialCost = 96 * kElementCost;
// No part is so small that its own sum (2 KB to clear and to add) would show.
constexpr std::size_t kLeastPartCost = 64 * kElementCost;
constexpr std::size_t kPartsPerThread = 8;

std::size_t cost_of(const RowChange& row) {
  std::size_t cost = 16;
  for (const auto value : {row.old_value, row.new_value}) {
    if (!value.empty()) cost += kElementCost + row.key.size() + value.size();
  }
  return cost;
}

struct Part {
  std::span<const RowChange> rows;
  std::size_t job;
};

std::vector<Part> split(std::span<const Job> jobs, std::size_t part_cost) {
  std::vector<Part> parts;
  for (std::size_t job = 0; job < jobs.size(); ++job) {
    const auto rows = jobs[job].rows;
    std::size_t start = 0;
    std::size_t cost = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      cost += cost_of(rows[i]);
      if (cost >= part_cost || i + 1 == rows.size()) {
        parts.push_back({rows.subspan(start, i + 1 - start), job});
        start = i + 1;
        cost = 0;
      }
    }
  }
  return parts;
}

int cores() { return std::max(1, tbb::this_task_arena::max_concurrency()); }

struct Pool {
  explicit Pool(int count)
      : threads(count),
        limit(tbb::global_control::max_allowed_parallelism,
              static_cast<std::size_t>(std::max(count, cores()))),
        arena(count) {}
  int threads;
  // Without it TBB prints a warning when more threads are asked for than there are cores.
  tbb::global_control limit;
  tbb::task_arena arena;
};

std::mutex g_pool_mutex;
std::shared_ptr<Pool> g_pool;  // made at the first use

std::shared_ptr<Pool> pool() {
  const std::lock_guard lock(g_pool_mutex);
  if (!g_pool) g_pool = std::make_shared<Pool>(cores());
  return g_pool;
}

}  // namespace

void wake_pool() {
  const auto shared = pool();
  for (int thread = 1; thread < shared->threads; ++thread) shared->arena.enqueue([] {});
}

void set_threads(std::size_t count) {
  const int threads = count == 0 ? cores() : static_cast<int>(std::min<std::size_t>(count, 1024));
  const std::lock_guard lock(g_pool_mutex);
  if (!g_pool || g_pool->threads != threads) g_pool = std::make_shared<Pool>(threads);
}

LtHash element(ByteView key, ByteView value) {
  LtHash result;
  Collector& sum = collector();
  sum.begin(blake3::backend());
  sum.add(key, value, false);
  sum.finish(result);
  return result;
}

void accumulate(std::span<const RowChange> rows, LtHash& accumulator) {
  accumulate_with(blake3::backend(), rows, accumulator);
}

void accumulate_parallel(std::span<const Job> jobs) {
  const auto& backend = blake3::backend();
  std::size_t cost = 0;
  for (const auto& job : jobs) {
    for (const auto& row : job.rows) cost += cost_of(row);
  }
  const auto shared = cost < kSerialCost ? nullptr : pool();
  if (!shared || shared->threads == 1) {
    for (const auto& job : jobs) accumulate_with(backend, job.rows, *job.accumulator);
    return;
  }
  const auto part_count = static_cast<std::size_t>(shared->threads) * kPartsPerThread;
  const auto parts = split(jobs, std::max(kLeastPartCost, cost / part_count));
  std::vector<LtHash> sums(parts.size());
  shared->arena.execute([&] {
    tbb::parallel_for(
        std::size_t{0}, parts.size(),
        [&](std::size_t i) { accumulate_with(backend, parts[i].rows, sums[i]); },
        tbb::simple_partitioner());
  });
  for (std::size_t i = 0; i < parts.size(); ++i) *jobs[parts[i].job].accumulator += sums[i];
}

}  // namespace flatkv::lthash

#include "lthash/pool.hpp"

#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

namespace flatkv::lthash {
namespace {

constexpr std::size_t kMostThreads = 1024;

std::size_t cores() {
  return static_cast<std::size_t>(std::max(1, tbb::this_task_arena::max_concurrency()));
}

struct Pool {
  explicit Pool(std::size_t count)
      : threads(count),
        limit(tbb::global_control::max_allowed_parallelism, std::max(count, cores())),
        arena(static_cast<int>(count)) {}
  std::size_t threads;
  // Without it TBB prints a warning when more threads are asked for than there are cores.
  tbb::global_control limit;
  tbb::task_arena arena;
};

std::mutex g_pool_mutex;
std::shared_ptr<Pool> g_pool;  // made at the first use
std::atomic<std::size_t> g_cores_taken{0};

std::shared_ptr<Pool> pool() {
  const std::lock_guard lock(g_pool_mutex);
  if (!g_pool) g_pool = std::make_shared<Pool>(cores());
  return g_pool;
}

}  // namespace

void set_threads(std::size_t count) {
  count = count == 0 ? cores() : std::min(count, kMostThreads);
  const std::lock_guard lock(g_pool_mutex);
  if (!g_pool || g_pool->threads != count) g_pool = std::make_shared<Pool>(count);
}

std::size_t threads() {
  const std::size_t all = pool()->threads;
  const std::size_t taken = g_cores_taken.load(std::memory_order_relaxed);
  return taken < all ? all - taken : 1;
}

CoreTaken::CoreTaken() noexcept { g_cores_taken.fetch_add(1, std::memory_order_relaxed); }
CoreTaken::~CoreTaken() { g_cores_taken.fetch_sub(1, std::memory_order_relaxed); }

void run_on_pool(std::function<void()> task) { pool()->arena.enqueue(std::move(task)); }

}  // namespace flatkv::lthash

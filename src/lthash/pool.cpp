// SPDX-License-Identifier: Apache-2.0
#include "lthash/pool.hpp"

#include <tbb/task_arena.h>

#include <atomic>
#include <utility>

#include "base/fork.hpp"
#include "base/machine.hpp"

namespace flatkv::lthash {
namespace {

std::atomic<std::size_t> g_threads{0};  // 0: as many as there are cores
std::atomic<std::size_t> g_cores_taken{0};

/// Process-wide and never destroyed: a task that still waits in an arena would be lost with it.
tbb::task_arena& arena() {
  static auto& made = *new tbb::task_arena(static_cast<int>(machine().cores));
  return made;
}

}  // namespace

void set_threads(std::size_t count) { g_threads = count; }

std::size_t threads() {
  if (is_forked()) return 1;
  const std::size_t set = g_threads.load(std::memory_order_relaxed);
  const std::size_t all = set == 0 ? machine().cores : set;
  const std::size_t taken = g_cores_taken.load(std::memory_order_relaxed);
  return taken < all ? all - taken : 1;
}

CoreTaken::CoreTaken() noexcept { g_cores_taken.fetch_add(1, std::memory_order_relaxed); }
CoreTaken::~CoreTaken() { g_cores_taken.fetch_sub(1, std::memory_order_relaxed); }

void run_on_pool(std::function<void()> task) { arena().enqueue(std::move(task)); }

}  // namespace flatkv::lthash

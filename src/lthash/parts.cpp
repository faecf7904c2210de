// SPDX-License-Identifier: Apache-2.0
#include "lthash/parts.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>

namespace flatkv::lthash {
namespace {

/// Shared with its tasks: one may start after the end, and then finds nothing to do.
struct Parts {
  Parts(std::size_t all, const std::function<void(std::size_t)>& each) : count(all), step(each) {}

  void work() {
    std::unique_lock lock(mutex);
    while (next < count) {
      const std::size_t part = next++;
      ++running;
      lock.unlock();
      std::exception_ptr failed;
      try {
        step(part);
      } catch (...) {
        failed = std::current_exception();
      }
      lock.lock();
      --running;
      if (!failed) continue;
      thrown = failed;
      next = count;
    }
    if (running == 0) done.notify_all();
  }

  const std::size_t count;
  const std::function<void(std::size_t)>& step;  ///< gone once no part is left
  std::mutex mutex;                              ///< guards everything below
  std::condition_variable done;
  std::size_t next = 0;
  std::size_t running = 0;
  std::exception_ptr thrown;
};

/// As many as there is memory for.
void call_helpers(HashingShare& share, const std::shared_ptr<Parts>& parts) {
  const std::size_t helpers = std::min(parts->count, share.threads());
  try {
    for (std::size_t i = 1; i < helpers; ++i) share.run([parts] { parts->work(); });
  } catch (...) {
    return;
  }
}

}  // namespace

void run_parts(HashingShare& share, std::size_t count,
               const std::function<void(std::size_t)>& step) {
  const auto parts = std::make_shared<Parts>(count, step);
  call_helpers(share, parts);
  parts->work();
  std::unique_lock lock(parts->mutex);
  parts->done.wait(lock, [&] { return parts->running == 0; });
  if (parts->thrown) std::rethrow_exception(parts->thrown);
}

}  // namespace flatkv::lthash

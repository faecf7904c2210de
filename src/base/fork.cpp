// SPDX-License-Identifier: Apache-2.0
#include "base/fork.hpp"

#include <pthread.h>

#include <atomic>
#include <cerrno>

namespace flatkv {
namespace {

std::atomic<bool> g_forked{false};

}  // namespace

bool is_forked() noexcept { return g_forked.load(std::memory_order_relaxed); }

Status enter_process() {
  static const int watched =
      ::pthread_atfork(nullptr, nullptr, [] { g_forked.store(true, std::memory_order_relaxed); });
  if (watched != 0) return fail_errno(watched, "watch for forks", "");
  if (!is_forked()) return {};
  return fail(ErrorCode::unsupported,
              "this process was forked from one that had used stores, whose threads do not live on "
              "here; fork before the first use, or exec in the child");
}

}  // namespace flatkv

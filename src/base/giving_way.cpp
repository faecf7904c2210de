// SPDX-License-Identifier: Apache-2.0
#include "base/giving_way.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>

namespace flatkv {
namespace {

/// A block that is being committed on the same cores is more urgent than this. (p99/p50 of a block
/// with flushes and compactions beside it on two cores: 4.4 without, 3.3 with it.)
constexpr int kLower = 10;

bool set_nice(pid_t thread, int nice) noexcept {
  return ::setpriority(PRIO_PROCESS, static_cast<id_t>(thread), nice) == 0;
}

}  // namespace

void GivingWay::begin() noexcept {
  const pid_t thread = ::gettid();
  errno = 0;
  const int nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(thread));
  if (errno != 0) return;
  // The smallest step shows whether there is a way back.
  if (!set_nice(thread, nice + 1) || !set_nice(thread, nice)) return;
  const std::lock_guard lock(mutex_);
  thread_ = thread;
  nice_ = nice;
  set();
}

/// The system may give the number of a thread that has ended to another one.
void GivingWay::end() noexcept {
  const std::lock_guard lock(mutex_);
  thread_ = 0;
}

void GivingWay::wait(int change) noexcept {
  const std::lock_guard lock(mutex_);
  const bool was_waited_for = waiting_ > 0;
  waiting_ += change;
  if (was_waited_for != (waiting_ > 0)) set();
}

void GivingWay::set() const noexcept {
  if (thread_ != 0) static_cast<void>(set_nice(thread_, waiting_ > 0 ? nice_ : nice_ + kLower));
}

}  // namespace flatkv

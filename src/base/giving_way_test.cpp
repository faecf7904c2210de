// SPDX-License-Identifier: Apache-2.0
#include "base/giving_way.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <thread>

namespace flatkv {
namespace {

int own_nice() { return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid())); }

/// So low a priority, or the lowest there is.
int lower_by(int nice, int steps) { return std::min(nice + steps, 19); }

/// Whether a thread of this process may take back what it gave up.
bool may_rise() {
  bool may = false;
  std::thread([&] {
    const int nice = own_nice();
    const auto thread = static_cast<id_t>(::gettid());
    may = ::setpriority(PRIO_PROCESS, thread, nice + 1) == 0 &&
          ::setpriority(PRIO_PROCESS, thread, nice) == 0;
  }).join();
  return may;
}

/// Runs it on a thread of its own: the priority of this one stays as it is.
void on_a_thread(const std::function<void()>& run) { std::thread(run).join(); }

TEST(GivingWay, AThreadGivesWayUntilItIsWaitedFor) {
  const int given = may_rise() ? 10 : 0;
  on_a_thread([&] {
    const int before = own_nice();
    GivingWay way;
    const GivingWay::Thread thread(way);
    EXPECT_EQ(own_nice(), lower_by(before, given));
    {
      const GivingWay::Waiter first(way);
      EXPECT_EQ(own_nice(), before);
      {
        const GivingWay::Waiter second(way);
        EXPECT_EQ(own_nice(), before);
      }
      EXPECT_EQ(own_nice(), before);
    }
    EXPECT_EQ(own_nice(), lower_by(before, given));
  });
}

TEST(GivingWay, OneThatIsWaitedForBeforeItBeginsDoesNotGiveWay) {
  on_a_thread([] {
    const int before = own_nice();
    GivingWay way;
    const GivingWay::Waiter waiter(way);
    const GivingWay::Thread thread(way);
    EXPECT_EQ(own_nice(), before);
  });
}

// The number of a thread that has ended may be another one's.
TEST(GivingWay, AThreadThatHasEndedIsLeftAlone) {
  on_a_thread([] {
    const int before = own_nice();
    GivingWay way;
    {
      const GivingWay::Thread thread(way);
    }
    const int after = own_nice();
    {
      const GivingWay::Waiter waiter(way);
      EXPECT_EQ(own_nice(), after)
          << "what a waiter raises it lowers again: afterwards is too late";
    }
    EXPECT_EQ(own_nice(), after);
    EXPECT_GE(after, before);
  });
}

// Without privilege there would be no way back.
TEST(GivingWay, AThreadThatCouldNotRiseAgainKeepsItsPriority) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const rlimit none{0, 0};
    bool ready = ::setrlimit(RLIMIT_NICE, &none) == 0;
    if (::geteuid() == 0) ready = ready && ::setgid(65534) == 0 && ::setuid(65534) == 0;
    const int before = own_nice();
    GivingWay way;
    const GivingWay::Thread thread(way);
    // The one step that shows it cannot be taken back either.
    ::_exit(ready && own_nice() <= before + 1 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace flatkv

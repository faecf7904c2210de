// SPDX-License-Identifier: Apache-2.0
// The wall clock jumps by decades, backwards too (N5): nothing depends on it. The test replaces the
// functions that tell the time for the whole process, RocksDB and the standard library included;
// the monotonic clock is left alone.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>  // NOLINT(modernize-deprecated-headers): these functions are POSIX's
#include <unistd.h>

#include <atomic>

#include "support/fault_counts.hpp"
#include "support/store_fixture.hpp"

namespace {

std::atomic<std::uint64_t> asked{0};

/// A different time at each call: 1970 to 2106, in no order.
long any_second() {
  std::uint64_t x = asked.fetch_add(1) * 0x9e3779b97f4a7c15ULL;
  x ^= x >> 29;
  return static_cast<long>(x % 0xffffffffULL);
}

}  // namespace

extern "C" {
int clock_gettime(clockid_t clock, struct timespec* out) noexcept {
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
    *out = {any_second(), 999'999'999};
    return 0;
  }
  return static_cast<int>(::syscall(SYS_clock_gettime, clock, out));
}
int gettimeofday(struct timeval* out, void*) noexcept {
  *out = {any_second(), 999'999};
  return 0;
}
time_t time(time_t* out) noexcept {
  const time_t now = any_second();
  if (out != nullptr) *out = now;
  return now;
}
}

namespace flatkv::test {
namespace {

class Clock : public StoreFixture {};

TEST_F(Clock, N5_NothingDependsOnTheTimeOfDay) {
  options_.flush.write_buffer_bytes = 32 << 10;
  options_.segment_bytes = 8 << 10;
  options_.snapshot.interval = 7;
  options_.snapshot.keep = 1;
  for (int life = 0; life < 6 && !HasFatalFailure(); ++life) {
    open();
    blocks(10);
    check();
    close();
    if (life % 2 == 0) remove_clean(path());
    if (life == 4) remove_tree(working(path(), "code"));
    open();
    check_and_go_on();
    close();
    if (!HasFailure()) count_fault("N5", Came::recovered);
  }
  EXPECT_GT(asked, 100U) << "the clock was never asked: not replaced?";
}

}  // namespace
}  // namespace flatkv::test

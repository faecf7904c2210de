// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <mutex>

namespace flatkv {

/// The priority of a background thread that gives way to others until somebody waits for its work.
/// With a low priority and other busy processes beside it, such a thread gets a twentieth of a
/// core, and so does whoever waits for it.
///
/// Linux keeps a nice value for each thread, and lets a thread without privilege raise its priority
/// only as far as RLIMIT_NICE. Where the priority could not be raised again, it is never lowered:
/// the work is then merely more in the way of others.
class GivingWay {
 public:
  GivingWay() = default;
  GivingWay(const GivingWay&) = delete;
  GivingWay& operator=(const GivingWay&) = delete;

  /// While it exists, the calling thread gives way. One thread at a time; it must outlive no part
  /// of the thread.
  class Thread {
   public:
    explicit Thread(GivingWay& of) noexcept : of_(of) { of_.begin(); }
    ~Thread() { of_.end(); }
    Thread(const Thread&) = delete;
    Thread& operator=(const Thread&) = delete;

   private:
    GivingWay& of_;
  };

  /// While one exists, the thread has the priority that it began with. Any thread.
  class Waiter {
   public:
    explicit Waiter(GivingWay& of) noexcept : of_(of) { of_.wait(+1); }
    ~Waiter() { of_.wait(-1); }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

   private:
    GivingWay& of_;
  };

 private:
  void begin() noexcept;
  void end() noexcept;
  void wait(int change) noexcept;
  void set() const noexcept;

  std::mutex mutex_;
  int waiting_ = 0;
  int nice_ = 0;      ///< of the thread when it began
  pid_t thread_ = 0;  ///< 0: none, or one that does not give way
};

}  // namespace flatkv

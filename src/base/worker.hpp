// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/thread_name.hpp"

namespace flatkv {

/// The thread of an object that works in the background until the object stops it. Wait in it with
/// its stop token (std::condition_variable_any): then a stop needs no flag and no notification.
///
/// Make it the object's last member: its destructor waits for the thread, which uses the others.
class Worker {
 public:
  Worker() = default;
  /// As `start`.
  template <class Run>
  Worker(const char* name, Run run) {
    start(name, std::move(run));
  }
  ~Worker() { stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Calls `run(stop_token)` on a thread of that name (at most 15 characters). `run` must not
  /// throw. Call it once. Throws std::system_error if the system has no thread to give.
  template <class Run>
  void start(const char* name, Run run) {
    thread_ = std::thread([name, run = std::move(run), stop = token()] {
      name_thread(name);
      run(stop);
    });
  }

  /// Requests a stop, whether or not the thread was started. Any thread.
  void request_stop() noexcept { stop_.request_stop(); }
  /// The same, and waits until the thread has ended. Never call it under a lock that the thread, or
  /// the user's code in a callback on it, may want. One thread at a time; again does nothing.
  void stop() {
    request_stop();
    if (thread_.joinable()) thread_.join();
  }

  /// Any thread.
  std::stop_token token() const noexcept { return stop_.get_token(); }
  bool stopping() const noexcept { return stop_.stop_requested(); }
  /// Whether the thread was started and `stop` has not returned.
  bool started() const noexcept { return thread_.joinable(); }

 private:
  std::stop_source stop_;
  std::thread thread_;
};

/// Sleeps until `then`, or until a stop is requested. Needs no memory.
inline void sleep_until(const std::stop_token& stop, std::chrono::steady_clock::time_point then) {
  std::mutex mutex;
  std::condition_variable woken;
  bool stopped = false;
  const std::stop_callback wake(stop, [&] {
    const std::lock_guard lock(mutex);
    stopped = true;
    woken.notify_all();
  });
  std::unique_lock lock(mutex);
  woken.wait_until(lock, then, [&] { return stopped; });
}

}  // namespace flatkv

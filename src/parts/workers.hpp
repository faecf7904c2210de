// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/guard.hpp"
#include "base/thread_name.hpp"

namespace flatkv::parts {

/// Does jobs on several threads. As many wait as there are threads, no more, so that memory does
/// not depend on their number. After the first error, or a request to stop, the rest is dropped.
/// One thread pushes.
template <class Job>
class Workers {
 public:
  using Do = std::function<Status(Job, const std::stop_token&)>;

  Workers(unsigned threads, const std::stop_token& stop, Do work)
      : work_(std::move(work)), most_(threads), outside_(stop, [this] { stop_.request_stop(); }) {
    try {
      for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
    } catch (...) {  // the system has no more
      stop_.request_stop();
      join();
      throw;
    }
  }
  ~Workers() {
    stop_.request_stop();
    join();
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// Waits for room. Fails once a job has, or a stop was requested.
  Status push(Job job) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop_.get_token(), [&] { return waiting_.size() < most_; });
    if (stop_.stop_requested()) return error();
    waiting_.push_back(std::move(job));
    changed_.notify_all();
    return {};
  }

  /// Waits until all jobs are done.
  Status finish() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
    join();
    const std::lock_guard lock(mutex_);
    if (stop_.stop_requested()) return error();
    return {};
  }

 private:
  void join() {
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

  Status error() const {
    if (error_) return std::unexpected(*error_);
    return fail(ErrorCode::cancelled, "cancelled");
  }

  void run() {
    name_thread("flatkv-parts");
    while (true) {
      std::optional<Job> job;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, stop_.get_token(), [&] { return ended_ || !waiting_.empty(); });
        if (stop_.stop_requested() || waiting_.empty()) return;
        job.emplace(std::move(waiting_.front()));
        waiting_.pop_front();
      }
      changed_.notify_all();
      const Status done = guarded([&] { return work_(*std::move(job), stop_.get_token()); });
      if (done) continue;
      {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = done.error();
      }
      stop_.request_stop();  // wakes all
    }
  }

  const Do work_;
  const unsigned most_;
  std::stop_source stop_;
  std::mutex mutex_;  // of all below but the threads
  std::condition_variable_any changed_;
  std::deque<Job> waiting_;
  bool ended_ = false;
  std::optional<Error> error_;
  std::vector<std::thread> threads_;
  std::stop_callback<std::function<void()>> outside_;
};

}  // namespace flatkv::parts

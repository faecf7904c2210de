// SPDX-License-Identifier: Apache-2.0
#include "waiting.hpp"

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string_view>
#include <thread>

namespace flatkv::python {
namespace {

/// One piece of work, and what ended it early.
class Run {
 public:
  Run(const std::function<void(const Hooks&)>& work, const nb::object& progress)
      : work_(work), progress_(progress) {
    hooks_.stop = stop_.get_token();
    hooks_.keep_exception = [this] { stop_with_exception(); };
    if (!progress.is_none()) {
      hooks_.progress = [this](std::string_view step, std::uint64_t done, std::uint64_t total) {
        report(step, done, total);
      };
    }
  }

  void wait() {
    {
      const Released released;
      std::jthread worker([this] { run(); });
      std::unique_lock lock(mutex_);
      while (!ended_signal_.wait_for(lock, kLook, [this] { return ended_; })) {
        lock.unlock();
        look_for_signals();
        lock.lock();
      }
    }
    if (raised_) throw nb::python_error(*std::move(raised_));
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void run() {
    try {
      work_(hooks_);
    } catch (...) {
      failure_ = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    ended_ = true;
    ended_signal_.notify_one();
  }

  void look_for_signals() {
    const bool asked = with_interpreter([this] {
      if (PyErr_CheckSignals() != 0) stop_with_exception();
    });
    if (!asked) stop_.request_stop();
  }

  void report(std::string_view step, std::uint64_t done, std::uint64_t total) {
    with_interpreter([&] {
      if (raised_) return;
      try {
        progress_(nb::str(step.data(), step.size()), done, total);
      } catch (nb::python_error& error) {
        error.restore();
        stop_with_exception();
      }
    });
  }

  /// Keeps the exception that is set, the first one of them. The interpreter's lock guards it.
  void stop_with_exception() {
    nb::python_error raised;
    if (!raised_) raised_.emplace(std::move(raised));
    stop_.request_stop();
  }

  const std::function<void(const Hooks&)>& work_;
  const nb::object& progress_;
  std::stop_source stop_;
  Hooks hooks_;
  std::optional<nb::python_error> raised_;
  std::exception_ptr failure_;
  std::mutex mutex_;
  std::condition_variable ended_signal_;
  bool ended_ = false;
};

}  // namespace

void run_interruptibly(const std::function<void(const Hooks&)>& work, const nb::object& progress) {
  Run(work, progress).wait();
}

}  // namespace flatkv::python

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <utility>

#include "flatkv/progress.hpp"
#include "interpreter.hpp"

// Work that may take long. It runs on a thread of its own without the interpreter's lock, while the
// calling thread looks for signals: only Python's main thread can run their handlers, and it could
// not while it worked.
namespace flatkv::python {

/// How soon a signal is noticed.
inline constexpr std::chrono::milliseconds kLook{20};

/// What the work should look at and call.
struct Hooks {
  std::stop_token stop;
  ProgressCallback progress;
  /// Takes the exception that is set in Python, which is raised when the work has ended, and asks
  /// the work to stop. Needs the interpreter's lock.
  std::function<void()> keep_exception;
};

/// Runs `work`, which touches Python only with the lock. On Ctrl-C, or an exception of another
/// signal handler or of `progress`, it asks the work to stop, waits for it, and raises that
/// exception. `progress` is None or is called with the interpreter's lock, on the other thread.
void run_interruptibly(const std::function<void(const Hooks&)>& work, const nb::object& progress);

/// The same for work that returns a result.
template <class Work>
auto wait_for(Work&& work, const nb::object& progress = nb::none()) {
  using Returned = decltype(work(std::declval<const Hooks&>()));
  std::optional<Returned> returned;
  run_interruptibly([&](const Hooks& hooks) { returned.emplace(work(hooks)); }, progress);
  return unwrap(*std::move(returned));
}

}  // namespace flatkv::python

// SPDX-License-Identifier: Apache-2.0
#include "interpreter.hpp"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "flatkv/store.hpp"

namespace flatkv::python {
namespace {

using namespace nb::literals;

/// How long the interpreter's end waits for calls of other threads, so that they do not meet the
/// end of the process. A commit or a read is through by then, and long calls have stopped; but a
/// `flush` may go on.
constexpr std::chrono::seconds kPatience{5};
constexpr std::chrono::milliseconds kPause{1};

// Numbers and no lock, since a child has the locks of its parent's other threads.
std::atomic<int> g_inside{0};
std::atomic<int> g_working{0};  ///< without the interpreter's lock
std::atomic<bool> g_ended{false};
std::atomic<unsigned> g_forks{0};
thread_local int t_inside = 0;
thread_local int t_working = 0;
thread_local bool t_ends = false;

void end() {
  t_ends = true;
  g_ended = true;
  PyThreadState* const state = PyEval_SaveThread();
  while (g_inside != 0) std::this_thread::sleep_for(kPause);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (g_working != 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(kPause);
  }
  PyEval_RestoreThread(state);
}

/// Whether the library had threads before this process was forked.
bool has_lost_threads() {
  const Status created = CommitStore::create("");
  return !created && created.error().code == ErrorCode::unsupported;
}

void after_fork() {
  g_inside = t_inside;
  g_working = t_working;
  if (!has_lost_threads()) return;
  ++g_forks;
  // The interpreter has ended by then. RocksDB would wait for threads that are not there.
  static_cast<void>(::on_exit(
      [](int status, void*) {
        static_cast<void>(std::fflush(nullptr));
        ::_exit(status);
      },
      nullptr));
}

}  // namespace

Released::Released() noexcept {
  ++t_working;
  ++g_working;
  state_ = PyEval_SaveThread();
}

Released::~Released() {
  --t_working;
  --g_working;
  const bool entered = enter_interpreter();
  while (!entered && !t_ends) ::pause();
  PyEval_RestoreThread(state_);
  if (entered) leave_interpreter();
}

bool enter_interpreter() noexcept {
  ++g_inside;
  // A callback that is inside must come to its end.
  if (g_ended && t_inside == 0) {
    --g_inside;
    return false;
  }
  ++t_inside;
  return true;
}

void leave_interpreter() noexcept {
  --t_inside;
  --g_inside;
}

unsigned Origin::forks() noexcept { return g_forks.load(std::memory_order_relaxed); }

bool Origin::is_here() const noexcept { return forks_ == forks(); }

void Origin::check() const {
  if (is_here()) return;
  Error error;
  error.code = ErrorCode::unsupported;
  error.message = "made before this process was forked";
  raise(error);
}

void bind_interpreter(nb::module_& /*module*/) {
  nb::module_::import_("atexit").attr("register")(nb::cpp_function(&end));
  nb::module_::import_("os").attr("register_at_fork")("after_in_child"_a =
                                                          nb::cpp_function(&after_fork));
}

}  // namespace flatkv::python

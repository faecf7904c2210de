// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "errors.hpp"

// The interpreter's lock, the interpreter's end, and forks of its process.
namespace flatkv::python {

/// Gives the interpreter's lock back, and takes it again at the end. Once the interpreter ends,
/// another thread than the one that ends it stays there for ever, as Python's own do from 3.14 on:
/// older ones end the thread, and no destructor of C++ lives through that.
class Released {
 public:
  Released() noexcept;
  ~Released();
  Released(const Released&) = delete;
  Released& operator=(const Released&) = delete;

 private:
  PyThreadState* state_;
};

/// Runs a step without the interpreter's lock.
template <class Step>
auto unlocked(Step&& step) {
  const Released released;
  return std::forward<Step>(step)();
}

/// Who enters may wait for the interpreter's lock, and the interpreter's end waits for those
/// inside. False from then on.
bool enter_interpreter() noexcept;
void leave_interpreter() noexcept;

/// Runs a step with the lock, on any thread. False, and does nothing, once the interpreter ends.
template <class Step>
bool with_interpreter(Step&& step) {
  struct Leave {
    ~Leave() { leave_interpreter(); }
  };
  if (!enter_interpreter()) return false;
  const Leave leave;
  const nb::gil_scoped_acquire acquired;
  std::forward<Step>(step)();
  return true;
}

/// The process in which a handle was made. A child that was forked since has none of the library's
/// threads, and has locks as other threads of its parent held them at that moment.
class Origin {
 public:
  bool is_here() const noexcept;
  /// Raises `unsupported` anywhere else. Needs the interpreter's lock.
  void check() const;

 private:
  static unsigned forks() noexcept;
  unsigned forks_ = forks();
};

/// What belongs to a parent is never destroyed.
template <class T>
void leave_to_parent(T&& object) {
  static_cast<void>(new auto(std::forward<T>(object)));
}

/// Has the module told when the interpreter ends, and of forks.
void bind_interpreter(nb::module_& module);

}  // namespace flatkv::python

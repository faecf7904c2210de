// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>
#include <utility>

#include "interpreter.hpp"

namespace flatkv::python {

/// An object of the library that one thread at a time may use. Python's threads wait for each other
/// here, without the interpreter's lock; no call from here into Python may be made meanwhile. In a
/// forked child it is `unsupported`.
template <class T>
class Guarded {
 public:
  explicit Guarded(T object) : object_(std::move(object)) {}
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  template <class Step>
  auto with(Step&& step) {
    origin_.check();
    return unlocked([&] {
      const std::lock_guard lock(mutex_);
      return step(object_);
    });
  }

  /// For functions that any thread may call.
  T& any_thread() noexcept { return object_; }
  const Origin& origin() const noexcept { return origin_; }

  template <class A, class B, class Step>
  friend auto with_both(Guarded<A>& a, Guarded<B>& b, Step&& step);

 private:
  Origin origin_;
  std::mutex mutex_;
  T object_;
};

template <class A, class B, class Step>
auto with_both(Guarded<A>& a, Guarded<B>& b, Step&& step) {
  a.origin_.check();
  b.origin_.check();
  return unlocked([&] {
    const std::scoped_lock lock(a.mutex_, b.mutex_);
    return step(a.object_, b.object_);
  });
}

}  // namespace flatkv::python

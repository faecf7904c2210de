// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

namespace flatkv {

/// Says, while it lives, that this thread runs a callback of the caller's for `owner`. A callback
/// may run on a thread of the store, which must not wait for its own end. Told by this and not by
/// the thread's number, which a thread that comes later may be given.
class CallbackScope {
 public:
  explicit CallbackScope(const void* owner) noexcept
      : owner_(owner), outer_(std::exchange(innermost, this)) {}
  ~CallbackScope() { innermost = outer_; }
  CallbackScope(const CallbackScope&) = delete;
  CallbackScope& operator=(const CallbackScope&) = delete;

  static bool runs_for(const void* owner) noexcept {
    for (const CallbackScope* scope = innermost; scope != nullptr; scope = scope->outer_) {
      if (scope->owner_ == owner) return true;
    }
    return false;
  }

 private:
  static inline thread_local const CallbackScope* innermost = nullptr;
  const void* owner_;
  const CallbackScope* outer_;
};

}  // namespace flatkv

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <utility>

namespace flatkv {

/// Whose the callbacks of the caller's are that a thread runs. One may run on a thread of the
/// store, which must not wait for its own end. Told by this and not by the thread's number, which a
/// thread that comes later may be given. Made once for a handle, however often what is below it is
/// replaced.
class CallbackOwner {
 public:
  /// The callback, so that it says while it runs whose it is: `self`, which is this owner.
  template <class... Arguments>
  static std::function<void(Arguments...)> within(std::shared_ptr<const CallbackOwner> self,
                                                  std::function<void(Arguments...)> callback) {
    if (!callback) return callback;
    return [owner = std::move(self), call = std::move(callback)](Arguments... arguments) {
      const Scope scope(owner.get());
      call(std::forward<Arguments>(arguments)...);
    };
  }

  /// Whether this thread runs a callback of it.
  bool runs_one() const noexcept {
    for (const Scope* scope = Scope::innermost; scope != nullptr; scope = scope->outer) {
      if (scope->owner == this) return true;
    }
    return false;
  }

 private:
  struct Scope {
    explicit Scope(const CallbackOwner* whose) noexcept
        : owner(whose), outer(std::exchange(innermost, this)) {}
    ~Scope() { innermost = outer; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    static inline thread_local const Scope* innermost = nullptr;
    const CallbackOwner* owner;
    const Scope* outer;
  };
};

}  // namespace flatkv

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <mutex>

#include "base/error.hpp"

namespace flatkv::state {

/// Poisons a store: keeps the first failure and reports it to every later write. Thread-safe; `set`
/// is cheap enough for RocksDB's callbacks.
class PoisonLatch {
 public:
  void set(Error error) noexcept {
    const std::lock_guard lock(mutex_);
    if (failed_.load(std::memory_order_relaxed)) return;
    first_ = std::move(error);
    failed_.store(true, std::memory_order_release);
    if (listener_) listener_();
  }

  /// `listener` is called at the first failure, or now if there was one; under the latch's lock, so
  /// it must be short, must not throw, and must not come back here.
  void tell(std::function<void()> listener) {
    const std::lock_guard lock(mutex_);
    listener_ = std::move(listener);
    if (listener_ && failed()) listener_();
  }

  bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }

  /// OK, or `store_failed` with the first failure in its message.
  Status check() const {
    if (!failed()) return {};
    const std::lock_guard lock(mutex_);
    auto failure =
        fail(ErrorCode::store_failed,
             "the store failed and must be reopened; first failure: " + first_.to_string());
    return std::move(failure).path(first_.path);
  }

  /// The first failure itself, or OK.
  Status first() const {
    if (!failed()) return {};
    const std::lock_guard lock(mutex_);
    return std::unexpected(first_);
  }

 private:
  std::atomic<bool> failed_{false};
  mutable std::mutex mutex_;
  Error first_;
  std::function<void()> listener_;
};

}  // namespace flatkv::state

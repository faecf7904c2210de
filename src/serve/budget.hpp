// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>

namespace flatkv::serve {

/// Bytes that the responses to all connections hold together. Any thread.
class Budget {
 public:
  explicit Budget(std::uint64_t bytes) : left_(bytes) {}

  /// Takes so many, as soon as they are there; false where they are not until `deadline`.
  bool take(std::uint64_t bytes, std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    if (!returned_.wait_until(lock, deadline, [&] { return bytes <= left_; })) return false;
    left_ -= bytes;
    return true;
  }
  void give(std::uint64_t bytes) noexcept {
    {
      const std::lock_guard lock(mutex_);
      left_ += bytes;
    }
    returned_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable returned_;
  std::uint64_t left_;
};

/// What one response has of a budget, until it is sent. One thread.
class Lease {
 public:
  /// Not taken from the budget: most responses are smaller, and are given whatever others hold.
  static constexpr std::uint64_t kFree = 64 << 10;
  /// That a response waits for room, in all.
  static constexpr auto kPatience = std::chrono::seconds(1);

  explicit Lease(Budget& budget) : budget_(budget) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() { budget_.give(held_); }

  /// Before `bytes` more are had.
  bool take(std::uint64_t bytes) {
    if (!make_room(bytes)) return false;
    used_ += bytes;
    return true;
  }
  /// The next `bytes` that are taken will be there: whoever has half of what he needs and waits for
  /// the rest keeps others from getting theirs.
  bool make_room(std::uint64_t bytes) {
    const std::uint64_t want = used_ + bytes;
    if (want <= std::max(held_, kFree)) return true;
    const auto now = std::chrono::steady_clock::now();
    if (!until_) until_ = now + kPatience;
    if (!budget_.take(want - held_, *until_)) return false;
    held_ = want;
    return true;
  }
  /// No more than `bytes` are there any longer.
  void keep(std::uint64_t bytes) noexcept {
    used_ = std::min(bytes, used_);
    const std::uint64_t kept = used_ <= kFree ? 0 : std::min(used_, held_);
    budget_.give(held_ - kept);
    held_ = kept;
  }

 private:
  Budget& budget_;
  std::uint64_t held_ = 0;  ///< of the budget
  std::uint64_t used_ = 0;  ///< at most held_, or kFree
  std::optional<std::chrono::steady_clock::time_point> until_{};
};

}  // namespace flatkv::serve

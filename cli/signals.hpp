// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <optional>
#include <stop_token>

#include "outcome.hpp"

namespace flatkv::cli {

/// SIGINT and SIGTERM as a request to stop at the next safe point. They are blocked in every thread
/// and taken by one of our own, so no code ever runs in a signal handler. A second one ends the
/// process at once: a store survives that like any crash. One object, made before any other thread.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  bool requested() const noexcept { return signal_.load(std::memory_order_relaxed) != 0; }
  /// For operations of the library that take a stop token.
  std::stop_token token() const noexcept { return stop_.get_token(); }
  /// A descriptor that becomes readable with the request, for poll.
  int descriptor() const noexcept { return wake_; }
  /// 130 or 143 after a request.
  std::optional<ExitCode> exit() const noexcept;

 private:
  struct Impl;
  void listen();

  std::atomic<int> signal_{0};
  std::stop_source stop_;
  std::atomic<bool> done_{false};
  int wake_ = -1;
  Impl* impl_ = nullptr;
};

/// Outcome of a verb that stopped because it was asked to. `next`: what running it again does.
Trouble interrupted(const Interrupts& interrupts, std::string where,
                    const char* next = kBeginsAnew);

}  // namespace flatkv::cli

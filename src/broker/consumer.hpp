// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "broker/place.hpp"
#include "flatkv/bytes.hpp"

namespace flatkv::broker {

/// A message as it was received, with its memory.
class InMessage {
 public:
  explicit InMessage(void* message) noexcept : message_(message) {}
  InMessage(InMessage&& other) noexcept : message_(std::exchange(other.message_, nullptr)) {}
  InMessage& operator=(InMessage&& other) noexcept {
    std::swap(message_, other.message_);
    return *this;
  }
  ~InMessage();

  ByteView key() const noexcept;
  ByteView value() const noexcept;
  std::int64_t offset() const noexcept;
  /// When it was sent, in milliseconds since 1970; 0 if unknown.
  std::int64_t time() const noexcept;

 private:
  void* message_;
};

/// Reads committed messages of partition 0 of a topic, from an offset on. It belongs to no group:
/// where it stands is its user's affair. Messages wait in at most 64 MiB. One thread.
class Consumer {
 public:
  static Result<Consumer> open(const Place& place);
  Consumer(Consumer&&) noexcept;
  Consumer& operator=(Consumer&&) noexcept;
  ~Consumer();

  struct Bounds {
    std::int64_t low = 0;   ///< of the oldest message kept
    std::int64_t high = 0;  ///< past the newest one, or what is no message at all
  };
  Result<Bounds> bounds(std::chrono::milliseconds timeout);
  /// As of the last answers of the broker, without asking it; 0 and 0 before the first.
  Bounds last_bounds() const noexcept;

  /// The next message is the first from `offset` on. Asks no broker, and waits for none.
  Status seek(std::int64_t offset);
  /// The next message, or nothing when none came in time or the end was reached. Errors: as of
  /// kafka_failure; after one that is_away reading goes on when the broker is back.
  Result<std::optional<InMessage>> next(std::chrono::milliseconds timeout);
  /// Whether the last call of `next` found the end.
  bool at_end() const noexcept;
  const Place& place() const noexcept;

 private:
  struct Impl;
  explicit Consumer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv::broker

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <stop_token>

#include "broker/place.hpp"
#include "flatkv/bytes.hpp"

namespace flatkv::broker {

struct OutMessage {
  ByteView key;
  ByteView value;
};

/// Writes to partition 0 of a topic in transactions, idempotently. There is one producer of a
/// transactional id: opening another fences the ones before, which find out when they next write.
/// One thread.
class Producer {
 public:
  /// The id is the topic's. Returns when the broker has fenced all before, and ended their
  /// transactions. Errors: as of kafka_failure, `cancelled`.
  static Result<Producer> open(const Place& place, const std::stop_token& stop);
  Producer(Producer&&) noexcept;
  Producer& operator=(Producer&&) noexcept;
  ~Producer();

  /// One transaction: after success all of the messages are there, after an error it is unknown
  /// whether all or none are, and the producer can only be destroyed. `locked`: another producer
  /// took the topic over.
  Status send(std::span<const OutMessage> messages, const std::stop_token& stop);

 private:
  struct Impl;
  explicit Producer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv::broker

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "wire/record.hpp"

namespace flatkv::wire {

/// Reads the messages of a topic in order and proves that none is missing, double, foreign or out
/// of order: each record continues the one before by sequence and digest, and each state the state
/// before by its version. A set of parts that its writer did not finish is dropped when its part 0
/// comes again.
class TopicReader {
 public:
  /// Goes on behind `after`; unset: with the topic's first record, which must be `begin`.
  explicit TopicReader(std::optional<Position> after) : last_(after) {}

  /// The record that the message completes, or nothing if more parts must come. Errors, after which
  /// the reader stands where it stood:
  /// - `corruption`, `format_too_new`: the message or the payload is not sound;
  /// - `foreign_store`: it is of another topic, or continues another record than the last one;
  /// - `log_gap`: records or parts between the last ones and this are missing;
  /// - `version_mismatch`: it was there already, or out of order, or its version cannot follow.
  Result<std::optional<Record>> take(ByteView key, ByteView value);

  /// The last whole record.
  const std::optional<Position>& last() const noexcept { return last_; }

 private:
  Status check_next(const Header& header) const;
  Status check_more(const Header& header) const;
  Result<Record> finish() const;

  std::optional<Position> last_;
  std::optional<Header> header_;  ///< of the record whose parts are being collected
  std::uint32_t collected_ = 0;   ///< parts
  Bytes stored_;
};

}  // namespace flatkv::wire

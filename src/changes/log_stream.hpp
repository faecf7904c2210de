// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "changelog/log_follower.hpp"
#include "flatkv/changes.hpp"

namespace flatkv::changes {

/// Where the log of a store lies.
struct LogPlace {
  fs::FileSystem* files = nullptr;
  std::string directory;
  changelog::StoreId store{};
};

/// Reads the log of a running store forward from a version, with one segment open and one record in
/// memory, however long the log is. Checks the chain from record to record, and payloads. The
/// caller knows how far the log is written, and never reads beyond. Not thread-safe.
class LogStream {
 public:
  /// Positions behind version `after`, which the writer has appended, or which is the log's base.
  /// `log_gap` if the log does not hold what comes next. Other errors: foreign_store, corruption,
  /// io.
  static Result<LogStream> open(const LogPlace& place, std::int64_t after);

  /// The last block read, or the one that the stream was opened behind.
  ChainPosition at() const noexcept;

  /// The next block, which was committed. `log_gap` for a segment that was pruned; `corruption` if
  /// the log ends before it, or its record is bad; other errors as from changelog::LogFollower.
  Result<LogBlock> next();

 private:
  LogStream(LogPlace place, changelog::LogFollower tail)
      : place_(std::move(place)), tail_(std::move(tail)) {}

  LogPlace place_;
  changelog::LogFollower tail_;
};

/// The version that the log begins behind; nothing if that cannot be told.
std::optional<std::int64_t> first_base(const LogPlace& place);
/// ": the changelog begins with version 7", or nothing if that cannot be told. For messages.
std::string log_begin(const LogPlace& place);

/// The chain digest of a version; nothing if the log does not tell it. The errors of LogStream.
Result<std::optional<Digest>> chain_at(const LogPlace& place, std::int64_t version);

}  // namespace flatkv::changes

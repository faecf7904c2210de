// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "codec/change_log_entry.hpp"
#include "flatkv/change_set.hpp"
#include "wire/record.hpp"

namespace flatkv::follow {

/// A record that is ready to be applied.
struct Ready {
  wire::Record record;
  codec::ChangelogEntry entry;       ///< of a block; points into the record's payload
  std::vector<NamedChangeSet> sets;  ///< points into `entry`
  std::int64_t time = 0;             ///< when it was sent, milliseconds since 1970
};

/// Hands records from the thread that reads them to the one that commits them. Bounded: the reader
/// waits while there is enough.
class RecordQueue {
 public:
  /// False if asked to stop.
  bool push(Ready ready, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    const auto fits = [&] { return bytes_ < kMostBytes && records_.size() < kMostRecords; };
    if (!changed_.wait(lock, stop, fits)) return false;
    bytes_ += ready.record.payload.size();
    records_.push_back(std::move(ready));
    changed_.notify_all();
    return true;
  }

  /// The reader's end; records before it are still handed out.
  void fail(Error error) {
    const std::lock_guard lock(mutex_);
    error_ = std::move(error);
    changed_.notify_all();
  }

  /// The next record; nothing if asked to stop.
  Result<std::optional<Ready>> pop(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait(lock, stop, [&] { return !records_.empty() || error_; })) {
      return std::optional<Ready>{};
    }
    if (records_.empty()) return std::unexpected(*error_);
    Ready ready = std::move(records_.front());
    records_.pop_front();
    bytes_ -= ready.record.payload.size();
    changed_.notify_all();
    return std::optional(std::move(ready));
  }

 private:
  static constexpr std::size_t kMostBytes = 64U << 20;
  static constexpr std::size_t kMostRecords = 64;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Ready> records_;
  std::size_t bytes_ = 0;
  std::optional<Error> error_;
};

}  // namespace flatkv::follow

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <vector>

#include "scan/scan.hpp"

// How a scan divides its work: an idle thread waits here, and a busy one gives it the upper part of
// its remaining range. Needs no knowledge of how keys are distributed.
namespace flatkv::scan {

/// Ranges that no thread works on yet. Thread-safe.
class RangeQueue {
 public:
  explicit RangeQueue(rocks::Bounds all) { ranges_.push_back(std::move(all)); }

  /// Waits for the next range; nullopt when all are done or after `stop`. Whoever takes a range
  /// calls `done` after it.
  std::optional<rocks::Bounds> take();
  void done();
  void give(rocks::Bounds range);
  void stop();
  /// Whether a thread waits for a range.
  bool hungry() const noexcept { return hungry_.load(std::memory_order_relaxed); }

 private:
  void note_hunger() { hungry_.store(waiting_ > ranges_.size(), std::memory_order_relaxed); }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<rocks::Bounds> ranges_;
  std::size_t waiting_ = 0;
  std::size_t busy_ = 0;
  bool stopped_ = false;
  std::atomic<bool> hungry_ = false;
};

/// A key above `low` and at or below `high`, half way between them as fractions; nullopt if they
/// are too close.
std::optional<Bytes> middle(ByteView low, ByteView high);

/// A key above `low` with at least `worth` rows at or above it and below `upper`, as near to the
/// middle as a few looks can tell; nullopt if there is too little to divide.
Result<std::optional<Bytes>> split_point(const CursorFactory& cursors, ByteView low,
                                         const std::optional<Bytes>& upper, std::size_t worth);

}  // namespace flatkv::scan

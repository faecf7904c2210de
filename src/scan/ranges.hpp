#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <vector>

#include "scan/scan.hpp"

// How a scan divides its work: a thread that has none waits here, and one that has much gives it
// the upper part of what it has left. Nothing has to be known of how keys are distributed.
namespace flatkv::scan {

/// Ranges that nobody works on yet. Thread-safe.
class RangeQueue {
 public:
  explicit RangeQueue(engine::Bounds all) { ranges_.push_back(std::move(all)); }

  /// The next range, once there is one; nothing when all are done or after `stop`. Whoever takes
  /// one calls `done` after it.
  std::optional<engine::Bounds> take();
  void done();
  void give(engine::Bounds range);
  void stop();
  /// Whether somebody waits for a range.
  bool hungry() const noexcept { return hungry_.load(std::memory_order_relaxed); }

 private:
  void note_hunger() { hungry_.store(waiting_ > ranges_.size(), std::memory_order_relaxed); }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<engine::Bounds> ranges_;
  std::size_t waiting_ = 0;
  std::size_t busy_ = 0;
  bool stopped_ = false;
  std::atomic<bool> hungry_ = false;
};

/// A key above `low` and at or below `high`, half way between them as fractions; nothing if they
/// are too close.
std::optional<Bytes> middle(ByteView low, ByteView high);

/// A key above `low` that has at least `worth` rows at or above it below `upper`, as near to half
/// way as can be told by few looks; nothing if there is too little to divide.
Result<std::optional<Bytes>> split_point(const CursorFactory& cursors, ByteView low,
                                         const std::optional<Bytes>& upper, std::size_t worth);

}  // namespace flatkv::scan

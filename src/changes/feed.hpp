// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "changes/log_stream.hpp"

namespace flatkv::changes {

class Tap;

/// Where the chain of a store stands, for those who follow it. One for each handle: it outlives
/// cores, and readers may outlive the handle. Blocks are read from the log, so nothing is queued
/// here: telling the feed takes one short lock and costs nothing for a reader that is behind.
///
/// An undo leaves a mark in every reader: the lowest version that the store went back to since the
/// reader looked. The lower of that and the reader's own position is where its blocks and the chain
/// meet, however many undos and commits there were.
class Feed {
 public:
  struct Reader {
    std::optional<ChainPosition> undone_to;  ///< guarded by `mutex`
  };

  /// `tip` is durable.
  Feed(std::shared_ptr<const LogPlace> place, const ChainPosition& tip);

  /// From now on this tap counts, and no other.
  void listen_to(Tap& tap) noexcept;

  /// The store has gone back to `tip`, its log lies in `place`, durable to the end, and `tap`
  /// counts. Call it before anything of the old log is removed.
  void undone(const ChainPosition& tip, std::shared_ptr<const LogPlace> place, Tap& tap) noexcept;

  /// No event comes any more, and what is left in the log may be another process's.
  void close() noexcept;

 private:
  friend class Tap;
  friend class Follower;
  void undone_locked(const ChainPosition& tip) noexcept;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::shared_ptr<const LogPlace> place_;  ///< never null
  ChainPosition tip_;
  std::int64_t durable_;
  std::uint64_t epoch_ = 1;              ///< of the tap that counts
  std::optional<std::int64_t> undoing_;  ///< the log is being cut down to that version
  bool failed_ = false;
  bool closed_ = false;
  std::vector<Reader*> readers_;
};

/// What a core tells the feed. Thread-safe; takes no lock that is held during I/O.
class Tap {
 public:
  /// Not heard before the feed listens to it.
  explicit Tap(std::shared_ptr<Feed> feed) : feed_(std::move(feed)) {}

  /// A block was published, whose record is in the log up to the last byte.
  void committed(const ChainPosition& tip, std::int64_t durable) noexcept;
  /// Everything up to `version` is on stable storage. A version from before an undo is ignored
  /// after it if it was passed with the `mark` of that time.
  std::uint64_t mark() const noexcept { return epoch_; }
  void durable(std::int64_t version, std::uint64_t mark) noexcept;

  /// For an undo that changes the log in place: `begin_undo` before the first change, with the
  /// version that it goes back to; then `undone` when the state of `tip` is published, or `failed`.
  /// In between readers wait.
  void begin_undo(std::int64_t version) noexcept;
  void undone(const ChainPosition& tip) noexcept;

  /// The store is poisoned: what is durable is still delivered, but of an undo that failed nothing
  /// above its version, since nobody knows what is left there.
  void failed() noexcept;

 private:
  friend class Feed;
  /// Runs `step` under the feed's lock if this tap still counts, and wakes all readers.
  template <class Step>
  void tell(std::uint64_t mark, Step&& step) noexcept;

  std::shared_ptr<Feed> feed_;
  std::atomic<std::uint64_t> epoch_{0};  ///< the feed's, as long as this tap counts
};

}  // namespace flatkv::changes

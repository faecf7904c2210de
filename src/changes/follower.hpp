// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <stop_token>

#include "base/version_arithmetic.hpp"
#include "changes/feed.hpp"

namespace flatkv::changes {

/// `unsupported` in a child that was forked after the store was opened.
Status check_process();

/// A reader of a feed and its log, from a position on. For one thread at a time.
class Follower {
 public:
  /// How far it may read.
  enum class Reach : std::uint8_t { durable, committed };

  Follower(std::shared_ptr<Feed> feed, Reach reach);
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  /// Starts behind `version`; unset: behind the last block within reach. Errors: `version_mismatch`
  /// (above what is within reach), those of LogStream::open, `store_failed` (closed).
  Status start_after(std::optional<std::int64_t> version);
  /// Starts where the consumer of `cursor` stands: behind its last block, or with an undo to the
  /// highest of its blocks that is still on the chain. Errors: `foreign_store`, `log_gap` (none is,
  /// or the log no longer tells), `corruption`, `io`, `store_failed` (closed).
  Status start_at(const Cursor& cursor);

  struct Step {
    ChainPosition to;
    std::optional<LogBlock> block;  ///< unset: undone to `to`
  };
  using Deadline = std::optional<std::chrono::steady_clock::time_point>;
  /// The next step, or nothing at the deadline or when asked to stop.
  Result<std::optional<Step>> next(const Deadline& deadline, const std::stop_token& stop);

  /// The next step that needs no waiting, if there is one.
  Result<std::optional<Step>> next_now();

  /// The last version that may be read now.
  std::int64_t reach() const;
  /// The version up to which what was read is still on the chain.
  std::int64_t still_there() const;
  /// The lowest version that the store went back to, of the undos that steps came by.
  std::int64_t lowest_undo() const noexcept { return lowest_undo_; }
  const ChainPosition& position() const noexcept { return position_; }

 private:
  struct Look {
    std::shared_ptr<const LogPlace> place;
    std::int64_t reach = 0;
    std::int64_t tip = 0;
  };
  /// The feed as it is now, without what was undone before.
  Result<Look> look();
  /// Whether nothing was undone since the last `look`.
  bool unchanged();
  std::int64_t reach_locked() const noexcept;
  Result<LogBlock> read(const LogPlace& place);
  /// `wait(lock, ready)` returns whether there is something to do.
  template <class Wait>
  Result<std::optional<Step>> step(const Wait& wait);

  std::shared_ptr<Feed> feed_;
  const Reach reach_;
  Feed::Reader mark_;
  ChainPosition position_;
  std::int64_t lowest_undo_ = kLastVersion;
  std::optional<LogStream> stream_;
};

}  // namespace flatkv::changes

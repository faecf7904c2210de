// SPDX-License-Identifier: Apache-2.0
#include "changes/follower.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/fork.hpp"
#include "changes/cursor.hpp"

namespace flatkv::changes {
namespace {

Failure closed() { return fail(ErrorCode::store_failed, "the store is closed"); }

/// Index of the highest block of the cursor that is on the chain; blocks below what the log tells
/// do not count. Of consecutive blocks, those on the chain come first.
Result<std::optional<std::size_t>> find_last(const LogPlace& place, const Cursor& cursor,
                                             std::int64_t tip) {
  enum class On : std::uint8_t { unknown, yes, no };
  const auto is_on = [&](std::size_t i) -> Result<On> {
    if (cursor.blocks[i].version > tip) return On::no;
    FLATKV_ASSIGN(const auto chain, chain_at(place, cursor.blocks[i].version));
    if (!chain) return On::unknown;
    return *chain == cursor.blocks[i].chain ? On::yes : On::no;
  };
  std::optional<std::size_t> found;
  std::size_t begin = 0;
  std::size_t end = cursor.blocks.size();
  std::size_t middle = end - 1;  // nearly always the one
  while (begin < end) {
    FLATKV_ASSIGN(const On on, is_on(middle));
    if (on == On::yes) found = middle;
    if (on == On::no) {
      end = middle;
    } else {
      begin = middle + 1;
    }
    middle = begin + (end - begin) / 2;
  }
  return found;
}

}  // namespace

Status check_process() {
  if (!is_forked()) return {};
  return fail(ErrorCode::unsupported, "the store was opened before this process was forked");
}

Follower::Follower(std::shared_ptr<Feed> feed, Reach reach)
    : feed_(std::move(feed)), reach_(reach) {
  const std::lock_guard lock(feed_->mutex_);
  feed_->readers_.push_back(&mark_);
}

Follower::~Follower() {
  if (is_forked()) return;  // another thread of the parent may have held the lock
  const std::lock_guard lock(feed_->mutex_);
  std::erase(feed_->readers_, &mark_);
}

std::int64_t Follower::reach_locked() const noexcept {
  // A group sync may come before the block is published.
  return reach_ == Reach::durable ? std::min(feed_->durable_, feed_->tip_.version)
                                  : feed_->tip_.version;
}

std::int64_t Follower::reach() const {
  const std::lock_guard lock(feed_->mutex_);
  return reach_locked();
}

std::int64_t Follower::still_there() const {
  const std::lock_guard lock(feed_->mutex_);
  return mark_.undone_to ? std::min(mark_.undone_to->version, position_.version)
                         : position_.version;
}

Result<Follower::Look> Follower::look() {
  FLATKV_TRY(check_process());
  std::unique_lock lock(feed_->mutex_);
  feed_->changed_.wait(lock, [&] { return !feed_->undoing_ || feed_->closed_; });
  if (feed_->closed_) return closed();
  mark_.undone_to.reset();
  return Look{feed_->place_, reach_locked(), feed_->tip_.version};
}

bool Follower::unchanged() {
  const std::lock_guard lock(feed_->mutex_);
  return !mark_.undone_to && !feed_->undoing_;
}

Status Follower::start_after(std::optional<std::int64_t> version) {
  while (true) {
    FLATKV_ASSIGN(const Look now, look());
    const std::int64_t after = version.value_or(now.reach);
    if (after > now.reach) {
      return fail(ErrorCode::version_mismatch,
                  "the last version that can be read is " + std::to_string(now.reach))
          .version(after);
    }
    auto stream = LogStream::open(*now.place, after);
    if (!unchanged()) continue;
    if (!stream) return std::unexpected(std::move(stream).error());
    position_ = stream->at();
    stream_.emplace(*std::move(stream));
    return {};
  }
}

Status Follower::start_at(const Cursor& cursor) {
  while (true) {
    FLATKV_ASSIGN(const Look now, look());
    if (cursor.store != now.place->store) {
      return fail(ErrorCode::foreign_store, "the cursor is of another store");
    }
    const auto last = find_last(*now.place, cursor, now.tip);
    const std::lock_guard lock(feed_->mutex_);
    if (mark_.undone_to || feed_->undoing_) continue;
    if (!last) return std::unexpected(last.error());
    if (!*last) {
      return fail(ErrorCode::log_gap,
                  "the log does not show where the cursor's blocks, of versions " +
                      std::to_string(cursor.blocks.front().version) + " to " +
                      std::to_string(cursor.blocks.back().version) +
                      ", leave the chain; start without a cursor, from the state of a version"
                      " that the log still goes on from" +
                      log_begin(*now.place))
          .path(now.place->directory)
          .version(cursor.blocks.back().version);
    }
    position_ = cursor.blocks.back();
    if (**last + 1 != cursor.blocks.size()) mark_.undone_to = cursor.blocks[**last];
    return {};
  }
}

Result<LogBlock> Follower::read(const LogPlace& place) {
  if (!stream_ || stream_->at() != position_) {
    FLATKV_ASSIGN(auto stream, LogStream::open(place, position_.version));
    if (stream.at() != position_) {
      return fail(ErrorCode::corruption, "the log continues another block than the one read last")
          .path(place.directory)
          .version(position_.version);
    }
    stream_.emplace(std::move(stream));
  }
  return stream_->next();
}

template <class Wait>
Result<std::optional<Follower::Step>> Follower::step(const Wait& wait) {
  FLATKV_TRY(check_process());
  Feed& feed = *feed_;
  const auto ready = [&] {
    if (feed.closed_) return true;
    if (feed.undoing_) return false;
    return mark_.undone_to || position_.version < reach_locked() || feed.failed_;
  };
  std::unique_lock lock(feed.mutex_);
  while (true) {
    if (!wait(lock, ready)) return std::optional<Step>{};
    if (feed.closed_) return closed();
    if (const auto undone_to = std::exchange(mark_.undone_to, std::nullopt)) {
      stream_.reset();  // the log may lie elsewhere now
      lowest_undo_ = std::min(lowest_undo_, undone_to->version);
      if (undone_to->version >= position_.version) continue;
      position_ = *undone_to;
      return std::optional(Step{position_, std::nullopt});
    }
    if (position_.version >= reach_locked()) {
      return fail(ErrorCode::store_failed, "the store failed and must be reopened");
    }
    const std::shared_ptr<const LogPlace> place = feed.place_;
    lock.unlock();
    auto block = read(*place);
    lock.lock();
    // What was read may be on its way out, or of the branch that takes its place.
    if (mark_.undone_to || feed.undoing_ || feed.closed_) {
      stream_.reset();
      continue;
    }
    if (!block) {
      stream_.reset();
      return std::unexpected(std::move(block).error());
    }
    position_ = {block->record.version, block->record.chain};
    return std::optional(Step{position_, *std::move(block)});
  }
}

Result<std::optional<Follower::Step>> Follower::next(const Deadline& deadline,
                                                     const std::stop_token& stop) {
  return step([&](std::unique_lock<std::mutex>& lock, const auto& ready) {
    return deadline ? feed_->changed_.wait_until(lock, stop, *deadline, ready)
                    : feed_->changed_.wait(lock, stop, ready);
  });
}

Result<std::optional<Follower::Step>> Follower::next_now() {
  return step([&](std::unique_lock<std::mutex>& lock, const auto& ready) {
    feed_->changed_.wait(lock, [&] { return !feed_->undoing_ || feed_->closed_; });
    return ready();
  });
}

}  // namespace flatkv::changes

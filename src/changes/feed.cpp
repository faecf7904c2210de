// SPDX-License-Identifier: Apache-2.0
#include "changes/feed.hpp"

#include <algorithm>

namespace flatkv::changes {

Feed::Feed(std::shared_ptr<const LogPlace> place, const ChainPosition& tip)
    : place_(std::move(place)), tip_(tip), durable_(tip.version) {}

void Feed::listen_to(Tap& tap) noexcept {
  const std::lock_guard lock(mutex_);
  tap.epoch_ = ++epoch_;
}

void Feed::undone_locked(const ChainPosition& tip) noexcept {
  tip_ = tip;
  durable_ = tip.version;
  undoing_.reset();
  ++epoch_;
  for (Reader* reader : readers_) {
    if (!reader->undone_to || tip.version < reader->undone_to->version) reader->undone_to = tip;
  }
}

void Feed::undone(const ChainPosition& tip, std::shared_ptr<const LogPlace> place,
                  Tap& tap) noexcept {
  {
    const std::lock_guard lock(mutex_);
    place_.swap(place);
    undone_locked(tip);
    tap.epoch_ = epoch_;
  }
  changed_.notify_all();
}

void Feed::close() noexcept {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

template <class Step>
void Tap::tell(std::uint64_t mark, Step&& step) noexcept {
  {
    const std::lock_guard lock(feed_->mutex_);
    if (mark != feed_->epoch_) return;
    std::forward<Step>(step)(*feed_);
  }
  feed_->changed_.notify_all();
}

void Tap::committed(const ChainPosition& tip, std::int64_t durable) noexcept {
  tell(epoch_, [&](Feed& feed) {
    feed.tip_ = tip;
    feed.durable_ = std::max(feed.durable_, durable);
  });
}

void Tap::durable(std::int64_t version, std::uint64_t mark) noexcept {
  tell(mark, [&](Feed& feed) { feed.durable_ = std::max(feed.durable_, version); });
}

void Tap::begin_undo(std::int64_t version) noexcept {
  tell(epoch_, [&](Feed& feed) { feed.undoing_ = version; });
}

void Tap::undone(const ChainPosition& tip) noexcept {
  tell(epoch_, [&](Feed& feed) {
    feed.undone_locked(tip);
    epoch_ = feed.epoch_;
  });
}

void Tap::failed() noexcept {
  tell(epoch_, [](Feed& feed) {
    feed.failed_ = true;
    if (!feed.undoing_) return;
    feed.durable_ = std::min(feed.durable_, *feed.undoing_);
    feed.tip_.version = std::min(feed.tip_.version, *feed.undoing_);
    feed.undoing_.reset();
  });
}

}  // namespace flatkv::changes

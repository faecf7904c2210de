// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <expected>
#include <functional>
#include <list>
#include <mutex>
#include <new>
#include <stop_token>
#include <system_error>
#include <utility>

#include "base/worker.hpp"

namespace flatkv {

/// Items of a sequence, produced in order on a thread of its own some way ahead of whoever takes
/// them. `Item` is an expected optional: an error, or no value, is the last one. Where there is no
/// memory for another item to wait, it is taken before the next one is produced.
template <class Item>
class ReadAhead {
 public:
  using Value = typename Item::value_type::value_type;

  struct Source {
    std::function<Item()> next;  ///< must not throw; not called again after the last item
    std::function<std::uint64_t(const Value&)> weight;
    std::uint64_t most;  ///< weight of the items that wait, but for a single heavier one
  };

  /// `thread`: at most 15 characters. Without a thread to have, items are produced as they are
  /// taken.
  ReadAhead(const char* thread, Source source) : source_(std::move(source)) {
    try {
      worker_.start(thread, [this](const std::stop_token& stop) { run(stop); });
    } catch (const std::system_error&) {
      return;
    }
  }

  /// One thread at a time, as `peek`. The last item comes again and again.
  Item next() {
    std::unique_lock lock(mutex_);
    const Item& first = front(lock);
    if (!first) return std::unexpected(first.error());
    if (!*first) return Item(std::in_place);
    Item item = std::move(queue_.front());
    free_.splice(free_.end(), queue_, queue_.begin());
    queued_ -= source_.weight(**item);
    lock.unlock();
    drained_.notify_one();
    return item;
  }
  /// What `next` will return. Valid until then.
  const Item& peek() {
    std::unique_lock lock(mutex_);
    return front(lock);
  }

  /// Any thread. Takes effect once the item that is being produced is there.
  void request_stop() noexcept { worker_.request_stop(); }

 private:
  void run(const std::stop_token& stop) {
    for (bool more = true; more;) {
      Item item = source_.next();
      more = item && *item;
      const std::uint64_t weight = more ? source_.weight(**item) : 0;
      std::unique_lock lock(mutex_);
      const auto fits = [&] { return queue_.empty() || queued_ + weight <= source_.most; };
      if (!drained_.wait(lock, stop, fits)) return;
      if (!may_add() && !drained_.wait(lock, stop, [&] { return queue_.empty(); })) return;
      add(std::move(item));
      queued_ += weight;
      filled_.notify_one();
    }
  }

  /// Whether there is a free node. All are if nothing waits.
  bool may_add() noexcept {
    if (!free_.empty()) return true;
    try {
      free_.emplace_back(std::in_place);
    } catch (const std::bad_alloc&) {
      return false;
    }
    return true;
  }

  void add(Item item) noexcept {
    free_.front() = std::move(item);
    queue_.splice(queue_.end(), free_, free_.begin());
  }

  const Item& front(std::unique_lock<std::mutex>& lock) {
    if (worker_.started()) {
      filled_.wait(lock, [&] { return !queue_.empty(); });
    } else if (queue_.empty()) {
      add(source_.next());
      if (queue_.front() && *queue_.front()) queued_ += source_.weight(**queue_.front());
    }
    return queue_.front();
  }

  const Source source_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::condition_variable_any drained_;
  std::list<Item> queue_;
  std::list<Item> free_ = std::list<Item>(1);  ///< nodes to be used again
  std::uint64_t queued_ = 0;
  Worker worker_;  // last: it uses all other members
};

}  // namespace flatkv

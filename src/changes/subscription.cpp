// SPDX-License-Identifier: Apache-2.0
#include "changes/subscription.hpp"

#include <algorithm>

#include "base/fork.hpp"
#include "base/guard.hpp"
#include "base/internals.hpp"
#include "base/version_arithmetic.hpp"
#include "changes/cursor.hpp"

namespace flatkv {
namespace {

using changes::Follower;

Follower::Deadline deadline_after(std::chrono::milliseconds timeout) {
  const auto now = std::chrono::steady_clock::now();
  if (timeout <= std::chrono::milliseconds::zero()) return now;
  const auto left = std::chrono::steady_clock::time_point::max() - now;
  if (timeout > std::chrono::duration_cast<std::chrono::milliseconds>(left)) return std::nullopt;
  return now + timeout;
}

}  // namespace

Result<std::optional<ChangeEvent>> Subscription::Impl::next(const Follower::Deadline& deadline,
                                                            const std::stop_token& stop) {
  FLATKV_ASSIGN(auto step, follower.next(deadline, stop));
  if (!step) return std::optional<ChangeEvent>{};
  highest = std::max(highest, step->to.version);
  if (most_blocks != 0) {
    if (step->block) {
      changes::advance(cursor, step->to, most_blocks);
    } else {
      changes::go_back(cursor, step->to);
    }
  }
  return std::optional(ChangeEvent{step->to, std::move(step->block)});
}

Subscription::Impl::~Impl() {
  // In a forked child another thread of the parent may have held the lock.
  if (names != nullptr && !is_forked()) names->release(name, this);
}

std::int64_t Subscription::Impl::needed_above(std::int64_t stored) const {
  return std::min({stored, cursor.blocks.front().version, follower.still_there()});
}

Subscription::Subscription(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Subscription::Subscription(Subscription&&) noexcept = default;
Subscription& Subscription::operator=(Subscription&&) noexcept = default;
Subscription::~Subscription() = default;

Result<std::optional<ChangeEvent>> Subscription::next(std::chrono::milliseconds timeout) {
  return guarded([&] { return impl_->next(deadline_after(timeout), {}); });
}

Status Subscription::follow(const std::stop_token& stop,
                            const std::function<bool(const ChangeEvent&)>& each) {
  return guarded([&]() -> Status {
    while (!stop.stop_requested()) {
      FLATKV_ASSIGN(const auto event, impl_->next(std::nullopt, stop));
      if (event && !each(*event)) break;
    }
    return {};
  });
}

Result<Cursor> Subscription::cursor() const {
  return guarded([&]() -> Result<Cursor> {
    FLATKV_TRY(changes::check_process());
    if (impl_->most_blocks != 0) return impl_->cursor;
    return fail(ErrorCode::unsupported,
                "a subscription to blocks that are not durable has no cursor");
  });
}

Status Subscription::acknowledge(const Cursor& stored) {
  return guarded([&]() -> Status {
    FLATKV_TRY(changes::check_process());
    FLATKV_TRY(changes::check_cursor(stored));
    if (impl_->name.empty()) {
      return fail(ErrorCode::invalid_argument, "the subscription has no name");
    }
    if (stored.store != impl_->cursor.store) {
      return fail(ErrorCode::foreign_store, "the cursor is of another store");
    }
    if (stored.blocks.back().version > impl_->highest) {
      return fail(ErrorCode::invalid_argument,
                  "the cursor is above the last block that was delivered, of version " +
                      std::to_string(impl_->highest))
          .version(stored.blocks.back().version);
    }
    return impl_->names->acknowledge(impl_->name, impl_.get(), [&] {
      return impl_->needed_above(stored.blocks.front().version);
    });
  });
}

ChangeReader::ChangeReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChangeReader::ChangeReader(ChangeReader&&) noexcept = default;
ChangeReader& ChangeReader::operator=(ChangeReader&&) noexcept = default;
ChangeReader::~ChangeReader() = default;

Result<std::optional<LogBlock>> ChangeReader::next() {
  return guarded([&]() -> Result<std::optional<LogBlock>> {
    FLATKV_TRY(changes::check_process());
    Impl& impl = *impl_;
    if (impl.over) return std::unexpected(*impl.over);
    const std::int64_t last = impl.follower.position().version;
    if (last >= impl.to) return std::optional<LogBlock>{};
    FLATKV_ASSIGN(auto step, impl.follower.next_now());
    const std::int64_t undone_to = impl.follower.lowest_undo();
    if (step && step->block && step->to.version <= undone_to) return std::move(step->block);
    impl.over =
        fail(ErrorCode::version_mismatch, "the store was rolled back while its blocks were read")
            .version(std::min(undone_to, last))
            .error();
    return std::unexpected(*impl.over);
  });
}

namespace changes {

Result<Subscription> subscribe(const std::shared_ptr<Feed>& feed,
                               const std::shared_ptr<NamedCursors>& names,
                               const changelog::StoreId& store, const SubscribeOptions& options) {
  const bool durable = options.deliver == Deliver::durable;
  if (options.deliver > Deliver::committed) {
    return fail(ErrorCode::invalid_argument, "there is no such way to deliver");
  }
  if (options.depth >= Cursor::kMostBlocks) {
    return fail(ErrorCode::invalid_argument,
                "depth is at most " + std::to_string(Cursor::kMostBlocks - 1));
  }
  if (options.cursor && options.after) {
    return fail(ErrorCode::invalid_argument, "a cursor says by itself where to begin");
  }
  if (!durable && (options.cursor || !options.name.empty())) {
    return fail(ErrorCode::invalid_argument,
                "a subscription to blocks that are not durable has neither cursor nor name");
  }
  if (options.cursor) FLATKV_TRY(check_cursor(*options.cursor));
  if (!options.name.empty()) FLATKV_TRY(check_name(options.name));

  auto impl = std::make_unique<Internals::Impl<Subscription>>(
      feed, durable ? Follower::Reach::durable : Follower::Reach::committed);
  if (options.cursor) {
    FLATKV_TRY(impl->follower.start_at(*options.cursor));
    impl->cursor = *options.cursor;
  } else {
    FLATKV_TRY(impl->follower.start_after(options.after));
    impl->cursor = {.store = store, .blocks = {impl->follower.position()}};
  }
  impl->highest = impl->follower.position().version;
  if (durable) {
    impl->most_blocks = options.depth + std::size_t{1};
    // `next` has moved on when it enters a block here, so it must not need memory for it.
    impl->cursor.blocks.reserve(std::max(impl->cursor.blocks.size(), impl->most_blocks) + 1);
  }
  if (!options.name.empty()) {
    impl->name = options.name;
    impl->names = names;
    FLATKV_TRY(names->keep(options.name, impl.get(), [&] {
      return impl->needed_above(impl->cursor.blocks.front().version);
    }));
  }
  return Internals::make<Subscription>(std::move(impl));
}

Result<ChangeReader> read_changes(const std::shared_ptr<Feed>& feed, std::int64_t from,
                                  std::int64_t to) {
  if (from < 1 || to < from - 1) {
    return fail(ErrorCode::invalid_argument,
                "there are no versions from " + std::to_string(from) + " to " + std::to_string(to));
  }
  auto impl = std::make_unique<Internals::Impl<ChangeReader>>(feed);
  FLATKV_TRY(impl->follower.start_after(from - 1));
  if (const std::int64_t last = impl->follower.reach(); to > last) {
    return fail(ErrorCode::version_mismatch,
                "the last version that can be read is " + std::to_string(last))
        .version(to);
  }
  impl->to = to;
  return Internals::make<ChangeReader>(std::move(impl));
}

}  // namespace changes
}  // namespace flatkv

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "changes/follower.hpp"
#include "changes/named_cursors.hpp"

namespace flatkv {

struct Subscription::Impl {
  Impl(std::shared_ptr<changes::Feed> feed, changes::Follower::Reach reach)
      : follower(std::move(feed), reach) {}
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  changes::Follower follower;
  Cursor cursor;                ///< without blocks where there is none
  std::int64_t highest = 0;     ///< version that was delivered
  std::size_t most_blocks = 0;  ///< of the cursor
  std::string name;             ///< empty: none
  std::shared_ptr<changes::NamedCursors> names;

  /// Waits until the deadline or the request to stop; also passes what was delivered on to the
  /// cursor.
  Result<std::optional<ChangeEvent>> next(const changes::Follower::Deadline& deadline,
                                          const std::stop_token& stop);
  /// The version above which the log is needed by the consumer and by this subscription, if
  /// `stored` is the first version of the cursor that the consumer has.
  std::int64_t needed_above(std::int64_t stored) const;
};

struct ChangeReader::Impl {
  explicit Impl(std::shared_ptr<changes::Feed> feed)
      : follower(std::move(feed), changes::Follower::Reach::committed) {}

  changes::Follower follower;
  std::int64_t to = 0;
  std::optional<Error> over;
};

namespace changes {

/// CommitStore::subscribe on a feed.
Result<Subscription> subscribe(const std::shared_ptr<Feed>& feed,
                               const std::shared_ptr<NamedCursors>& names,
                               const changelog::StoreId& store, const SubscribeOptions& options);

/// CommitStore::changes on a feed.
Result<ChangeReader> read_changes(const std::shared_ptr<Feed>& feed, std::int64_t from,
                                  std::int64_t to);

}  // namespace changes
}  // namespace flatkv

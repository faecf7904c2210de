// SPDX-License-Identifier: Apache-2.0
#include "flatkv/cluster/publisher.hpp"

#include <algorithm>
#include <deque>
#include <mutex>

#include "base/guard.hpp"
#include "base/internals.hpp"
#include "base/random.hpp"
#include "base/stopwatch.hpp"
#include "base/worker.hpp"
#include "broker/absence.hpp"
#include "broker/producer.hpp"
#include "broker/topic_admin.hpp"
#include "changes/log_block.hpp"
#include "publish/feed.hpp"
#include "store/commit_store.hpp"
#include "topic/scan.hpp"
#include "wire/record.hpp"

namespace flatkv {
namespace {

constexpr std::chrono::seconds kAnswer{5};
constexpr std::chrono::milliseconds kSlice{200};
constexpr std::chrono::seconds kBehindPause{1};

Status check_options(const PublisherOptions& options) {
  constexpr std::uint64_t kLeastPart = 1024;
  constexpr std::uint64_t kMostPart = 1ULL << 30;
  if (options.depth < 1 || options.depth > wire::kMostDepth) {
    return fail(ErrorCode::invalid_argument, "depth is 1 to 4096");
  }
  if (options.part_bytes < kLeastPart || options.part_bytes > kMostPart) {
    return fail(ErrorCode::invalid_argument, "part_bytes is 1024 to 2^30");
  }
  if (options.batch_bytes == 0 || options.batch_records == 0) {
    return fail(ErrorCode::invalid_argument, "batch_bytes and batch_records are at least 1");
  }
  return {};
}

Result<wire::TopicId> new_topic_id() {
  wire::TopicId id{};
  FLATKV_TRY(fill_random(id));
  return id;
}

}  // namespace

struct Publisher::Impl {
  broker::Place place;
  PublisherOptions options;
  std::string store;
  AccountRows account_rows = AccountRows::keep;
  std::unique_ptr<publish::Feed> feed;
  Logger logger;

  // Of the connection: what the topic holds, and what is about to be sent.
  std::optional<broker::Producer> producer;
  topic::Tail tail;
  std::vector<wire::Message> batch;
  std::uint64_t batch_bytes = 0;
  std::uint32_t batch_records = 0;
  PublisherStatus batch_counts;
  std::vector<SnapshotMarker> batch_markers;  ///< announced again if the batch is not sent
  /// Whether the store was once where the topic ends: if it is below, it went back. Otherwise it is
  /// a standby's that has yet to come there, and what it lacks is no reason to undo anything.
  /// PublisherOptions::take_back says that it was.
  bool was_there = false;
  /// The record that the topic ends with and, after a send of which nothing was heard, the digest
  /// of the one that it may end with.
  std::optional<wire::Position> sent;
  std::optional<Digest> attempted;
  std::int64_t compared = 0;  ///< version of the block that must come first; 0: none
  bool topic_was_there = false;
  broker::Absence absence;

  mutable std::mutex mutex;
  PublisherStatus status;              ///< guarded by `mutex`
  Stopwatch since_equal;               ///< likewise
  std::deque<SnapshotMarker> markers;  ///< likewise

  template <class Change>
  void tell(const Change& change) {
    const std::lock_guard lock(mutex);
    change(status);
  }

  Status run(const std::stop_token& stop) {
    while (true) {
      auto ended = session(stop);
      producer.reset();
      if (ended || stop.stop_requested()) return {};
      const Error& error = ended.error();
      if (!broker::is_away(error, topic_was_there)) return ended;
      absence.wait(logger, error, stop, [&] {
        tell([&](PublisherStatus& now) {
          now.state = PublisherStatus::State::waiting;
          now.trouble = error.to_string();
          ++now.reconnects;
        });
      });
    }
  }

  Status session(const std::stop_token& stop) {
    FLATKV_TRY(connect(stop));
    bool ready = false;
    while (!stop.stop_requested()) {
      if (!ready) {
        FLATKV_ASSIGN(const Resumed resumed, resume());
        FLATKV_TRY(send(stop));
        ready = resumed == Resumed::ready;
        if (resumed != Resumed::behind) continue;
        if (!options.follow) return is_behind();
        sleep_until(stop, std::chrono::steady_clock::now() + kBehindPause);
        continue;
      }
      FLATKV_ASSIGN(const auto gathered, gather());
      ready = gathered != Gathered::went_back;
      FLATKV_TRY(feed->settle());
      FLATKV_TRY(add_markers());
      FLATKV_TRY(send(stop));
      if (ready) FLATKV_TRY(feed->done());
      FLATKV_TRY(measure());
      if (gathered != Gathered::nothing || options.follow) continue;
      return was_there ? Status{} : is_behind();
    }
    return {};
  }

  /// Fences other publishers before reading where the topic ends: nobody writes behind that.
  Status connect(const std::stop_token& stop) {
    if (options.create_topic) FLATKV_TRY(broker::create_topic(place, kAnswer));
    FLATKV_TRY(broker::check_topic(place, kAnswer));
    FLATKV_ASSIGN(auto consumer, broker::Consumer::open(place));
    if (sent) FLATKV_TRY(check_alone(consumer, stop));
    FLATKV_ASSIGN(producer, broker::Producer::open(place, stop));
    give_back_markers();
    clear_batch();
    FLATKV_ASSIGN(tail, topic::read_tail(consumer, options.depth, stop));
    remember_end();
    absence.end();
    topic_was_there = true;
    tell([&](PublisherStatus& now) {
      now.state = PublisherStatus::State::publishing;
      now.trouble.clear();
      now.version = tail.last ? tail.last->version : 0;
    });
    return {};
  }

  /// After a pause another publisher may have taken the topic over: it must not be fenced then.
  Status check_alone(broker::Consumer& consumer, const std::stop_token& stop) const {
    FLATKV_ASSIGN(const auto now, topic::read_tail(consumer, options.depth, stop));
    if (!now.last || now.last->digest == sent->digest || now.last->digest == attempted) return {};
    // A broker ends a transaction a little after it has answered that it will: what was sent may
    // not be seen yet. Another publisher's records would have higher numbers.
    if (now.last->topic == sent->topic && now.last->sequence < sent->sequence) return {};
    return fail(ErrorCode::locked, "another publisher has written to the topic since")
        .path(place.address())
        .version(now.last->version);
  }

  void remember_end() {
    sent = tail.last;
    attempted = sent ? std::optional(sent->digest) : std::nullopt;
  }

  enum class Resumed : std::uint8_t {
    ready,
    behind,  ///< the store has yet to come there
    again,   ///< it went back while it was looked at: a node may undo a block after the other
  };
  /// Compares store and topic, has the topic taken back to where they are equal, and begins the
  /// feed there.
  Result<Resumed> resume() {
    compared = 0;
    if (!tail.last) {
      FLATKV_TRY(begin_topic());
      was_there = true;
      return begin_feed(tail.last->version);
    }
    auto& branch = tail.branch;
    const std::int64_t lowest = branch.begin()->first;
    const std::int64_t tip = tail.last->version;
    FLATKV_ASSIGN(const std::int64_t durable, feed->durable());
    const auto looked = publish::known_roots(store, lowest - 1, std::min(tip, durable));
    if (went_back(looked)) return Resumed::again;
    if (!looked) return std::unexpected(looked.error());
    const auto& known = *looked;
    const auto equal = std::ranges::find_if(known.rbegin(), known.rend(), [&](const auto& one) {
      const auto there = branch.find(one.first);
      return there != branch.end() && there->second == one.second;
    });
    if (equal == known.rend()) {
      if (durable < lowest && !was_there) return behind(durable);
      return no_common_version(lowest, tip, durable >= lowest && known.empty());
    }
    const std::int64_t version = equal->first;
    if (version < tip && (was_there || equal != known.rbegin())) FLATKV_TRY(undo(version));
    was_there = was_there || version == tail.last->version;
    // With the block that was compared once more, where the log has it: the store may go back
    // between the comparison and the beginning.
    compared = known.contains(version - 1) ? version : 0;
    return begin_feed(compared != 0 ? version - 1 : version);
  }

  Result<Resumed> begin_feed(std::int64_t version) {
    const Status begun = feed->begin(version);
    if (went_back(begun)) return Resumed::again;
    FLATKV_TRY(begun);
    return Resumed::ready;
  }

  template <class T>
  static bool went_back(const Result<T>& looked) {
    return !looked && looked.error().code == ErrorCode::version_mismatch;
  }

  Resumed behind(std::int64_t durable) {
    tell([&](PublisherStatus& now) {
      now.state = PublisherStatus::State::behind;
      now.store_version = durable;
    });
    return Resumed::behind;
  }

  /// The end, for who does not wait until the store comes to where the topic is.
  Status is_behind() const {
    const std::int64_t version = status.store_version;  // the thread that writes it
    return fail(ErrorCode::version_mismatch, "the topic is at version " +
                                                 std::to_string(tail.last->version) +
                                                 ", and the store is behind it: nothing was sent")
        .path(store)
        .version(version);
  }

  Failure no_common_version(std::int64_t lowest, std::int64_t tip, bool log_is_above) const {
    if (log_is_above) {
      return fail(ErrorCode::log_gap, "the topic ends at version " + std::to_string(tip) +
                                          ", and the log of the store no longer reaches that")
          .path(store)
          .version(tip);
    }
    return fail(ErrorCode::version_mismatch,
                "the store is on another branch than the topic since version " +
                    std::to_string(lowest) +
                    " or before, and an undo takes the topic, which is "
                    "at version " +
                    std::to_string(tip) + ", back by at most " + std::to_string(options.depth))
        .path(store)
        .version(lowest);
  }

  Status begin_topic() {
    FLATKV_ASSIGN(const RootsAt base, publish::where_log_begins(store));
    FLATKV_ASSIGN(const wire::TopicId topic, new_topic_id());
    tail.last.emplace().topic = topic;
    return add(wire::Kind::begin, base.version, base.roots, wire::begin_payload(account_rows));
  }

  enum class Gathered : std::uint8_t { nothing, blocks, went_back };
  /// Takes blocks into the batch, until it is full or no more are there.
  Result<Gathered> gather() {
    auto wait = options.follow ? kSlice : std::chrono::milliseconds::zero();
    Gathered gathered = Gathered::nothing;
    while (batch_bytes < options.batch_bytes && batch_records < options.batch_records) {
      FLATKV_ASSIGN(const auto step, feed->next(wait));
      if (!step) break;
      if (!step->block) return Gathered::went_back;
      FLATKV_ASSIGN(const bool taken, take(*step->block));
      if (!taken) return Gathered::went_back;
      gathered = Gathered::blocks;
      wait = std::chrono::milliseconds::zero();
    }
    return gathered;
  }

  /// False if the store went back since it was compared.
  Result<bool> take(const LogBlock& block) {
    const std::int64_t version = block.record.version;
    if (version <= tail.last->version) {
      const auto there = tail.branch.find(version);
      if (there != tail.branch.end() && there->second == block.record.roots) {
        was_there = was_there || version == tail.last->version;
        compared = 0;
        return true;
      }
      if (version == compared) return false;
      // The block below was compared, or is where the feed began.
      FLATKV_TRY(undo(version - 1));
    }
    was_there = true;
    ++batch_counts.blocks;
    const ByteView payload = changes::payload_of(block);
    FLATKV_TRY(
        add(wire::Kind::block, version, block.record.roots, {payload.begin(), payload.end()}));
    return true;
  }

  Status undo(std::int64_t version) {
    const auto to = tail.branch.find(version);
    if (to == tail.branch.end()) {
      return no_common_version(tail.branch.begin()->first, tail.last->version, false);
    }
    logger.warning("the store went back: the topic is taken from version " +
                   std::to_string(tail.last->version) + " to " + std::to_string(version));
    ++batch_counts.undos;
    return add(wire::Kind::undo, version, Roots(to->second), {});
  }

  Status add(wire::Kind kind, std::int64_t version, const Roots& roots, Bytes payload) {
    FLATKV_ASSIGN(auto encoded, wire::encode_record(*tail.last,
                                                    {.at = {},
                                                     .kind = kind,
                                                     .depth = options.depth,
                                                     .version = version,
                                                     .roots = roots,
                                                     .payload = std::move(payload)},
                                                    options.part_bytes));
    tail.last = encoded.at;
    ++batch_records;
    for (wire::Message& message : encoded.messages) {
      batch_bytes += message.key.size() + message.value.size();
      batch.push_back(std::move(message));
    }
    if (kind == wire::Kind::marker) return {};
    auto& branch = tail.branch;
    branch.erase(branch.upper_bound(version), branch.end());
    branch.insert_or_assign(version, roots);
    // What an undo took away does not make room for a deeper one.
    while (branch.size() > std::size_t{options.depth} + 1) branch.erase(branch.begin());
    return {};
  }

  void clear_batch() {
    batch.clear();
    batch_bytes = 0;
    batch_records = 0;
    batch_counts = {};
    batch_markers.clear();
  }

  /// Those of a send that failed. If the broker has them nevertheless, a second one does no harm.
  void give_back_markers() {
    const std::lock_guard lock(mutex);
    markers.insert(markers.begin(), std::make_move_iterator(batch_markers.begin()),
                   std::make_move_iterator(batch_markers.end()));
  }

  Status send(const std::stop_token& stop) {
    if (batch.empty()) return {};
    std::vector<broker::OutMessage> messages;
    messages.reserve(batch.size());
    for (const wire::Message& message : batch) messages.push_back({message.key, message.value});
    attempted = tail.last->digest;
    FLATKV_TRY(producer->send(messages, stop));
    remember_end();
    tell([&](PublisherStatus& now) {
      now.version = tail.last->version;
      now.blocks += batch_counts.blocks;
      now.undos += batch_counts.undos;
      now.markers += batch_counts.markers;
      now.bytes += batch_bytes;
      ++now.transactions;
    });
    clear_batch();
    return {};
  }

  /// Writes the markers whose versions no undo passes any more.
  Status add_markers() {
    while (true) {
      SnapshotMarker marker;
      {
        const std::lock_guard lock(mutex);
        if (markers.empty() || markers.front().version > tail.branch.begin()->first) return {};
        marker = markers.front();
      }
      const auto known = publish::known_roots(store, marker.version, marker.version);
      if (went_back(known)) return {};  // the next look tells
      if (!known) return std::unexpected(known.error());
      {
        const std::lock_guard lock(mutex);
        batch_markers.push_back(marker);  // given back if what follows fails
        markers.pop_front();              // others only add behind it
      }
      const auto own = known->find(marker.version);
      if (own == known->end() || own->second != marker.roots || marker.location.empty()) {
        logger.warning("the snapshot of version " + std::to_string(marker.version) + " at " +
                       marker.location + " is not one of this store: not announced");
        batch_markers.pop_back();
        continue;
      }
      ++batch_counts.markers;
      FLATKV_TRY(add(wire::Kind::marker, marker.version, marker.roots,
                     {marker.location.begin(), marker.location.end()}));
    }
  }

  Status measure() {
    FLATKV_ASSIGN(const std::int64_t durable, feed->durable());
    tell([&](PublisherStatus& now) {
      now.store_version = durable;
      now.version = tail.last->version;
      now.state = was_there ? PublisherStatus::State::publishing : PublisherStatus::State::behind;
      if (durable <= now.version) since_equal = {};
    });
    return {};
  }
};

Publisher::Publisher(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Publisher::Publisher(Publisher&&) noexcept = default;
Publisher& Publisher::operator=(Publisher&&) noexcept = default;
Publisher::~Publisher() = default;

namespace {

/// What both kinds of publishers have in common.
template <class Impl>
Result<std::unique_ptr<Impl>> prepare(const PublisherOptions& options) {
  FLATKV_TRY(check_options(options));
  auto impl = std::make_unique<Impl>();
  FLATKV_ASSIGN(impl->place, broker::parse_place(options.to));
  impl->options = options;
  impl->was_there = options.take_back;
  impl->logger = Logger(options.log);
  impl->place.client = options.client;
  impl->place.logger = impl->logger;
  return impl;
}

}  // namespace

Result<Publisher> Publisher::of(CommitStore& store, const PublisherOptions& options) {
  return guarded([&]() -> Result<Publisher> {
    FLATKV_ASSIGN(auto impl, prepare<Impl>(options));
    impl->store = Internals::impl(store).shared()->setup().store;
    impl->account_rows = store.account_rows();
    impl->feed = publish::feed_of(store, options.name, options.depth);
    return Publisher(std::move(impl));
  });
}

Result<Publisher> Publisher::of(const std::string& store, const PublisherOptions& options) {
  return guarded([&]() -> Result<Publisher> {
    FLATKV_ASSIGN(auto impl, prepare<Impl>(options));
    FLATKV_ASSIGN(const StoreInfo info, inspect_store(store));
    if (!info.problems.empty()) return std::unexpected(info.problems.front());
    impl->store = store;
    impl->account_rows = info.account_rows;
    impl->feed = publish::feed_of(store);
    return Publisher(std::move(impl));
  });
}

Status Publisher::run(const std::stop_token& stop) {
  return guarded([&]() -> Status {
    const Status ended = guarded([&] { return impl_->run(stop); });
    impl_->tell([&](PublisherStatus& now) {
      now.state = PublisherStatus::State::stopped;
      if (!ended) now.trouble = ended.error().to_string();
    });
    return ended;
  });
}

void Publisher::announce(SnapshotMarker marker) {
  const std::lock_guard lock(impl_->mutex);
  impl_->markers.push_back(std::move(marker));
}

PublisherStatus Publisher::status() const {
  const std::lock_guard lock(impl_->mutex);
  PublisherStatus now = impl_->status;
  now.lag_seconds = now.lag_versions() == 0 ? 0 : impl_->since_equal.seconds();
  return now;
}

}  // namespace flatkv

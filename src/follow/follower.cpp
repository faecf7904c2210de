// SPDX-License-Identifier: Apache-2.0
#include "flatkv/cluster/follower.hpp"

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

#include "base/guard.hpp"
#include "base/version_arithmetic.hpp"
#include "base/worker.hpp"
#include "broker/absence.hpp"
#include "broker/topic_admin.hpp"
#include "flatkv/lthash.hpp"
#include "flatkv/store.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/transfer.hpp"
#include "follow/mark.hpp"
#include "follow/place.hpp"
#include "follow/record_queue.hpp"
#include "fs/file_system.hpp"
#include "store/commit_store.hpp"
#include "transfer/file_io.hpp"
#include "transfer/stream_reader.hpp"
#include "wire/topic_reader.hpp"

namespace flatkv {
namespace {

constexpr std::chrono::seconds kAnswer{5};
constexpr std::chrono::milliseconds kSlice{200};
constexpr std::chrono::milliseconds kEmptyPause{500};

/// The roots line of a state without rows.
Roots empty_roots() {
  const Digest none = LtHash{}.checksum();
  return {none, none, none, none, none};
}

double seconds_since(std::int64_t time) {
  using std::chrono::milliseconds;
  const auto now =
      std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  const std::int64_t passed = time == 0 ? 0 : now.count() - time;
  return passed > 0 ? static_cast<double>(passed) * 1e-3 : 0;
}

/// The first of the five in which two roots lines differ; the data databases say more than the
/// root.
std::optional<Database> differs_in(const Roots& a, const Roots& b) {
  for (const Database database : kAllDatabases) {
    if (a.of(database) != b.of(database)) return database;
  }
  return std::nullopt;
}

/// Whether a marker says where, and in a form that is fit for a message to people.
bool names_a_place(const topic::Seen& marker) {
  const auto control = [](std::uint8_t byte) { return byte < 0x20 || byte == 0x7f; };
  const Bytes& place = marker.payload;
  return !place.empty() && place.size() <= topic::kMaxPlaceBytes &&
         std::ranges::none_of(place, control);
}

/// Whether the next message may still be the right one: the reader stands where it stood.
bool is_refusal(ErrorCode code) {
  return code == ErrorCode::corruption || code == ErrorCode::foreign_store ||
         code == ErrorCode::version_mismatch;
}

}  // namespace

struct Follower::Impl {
  broker::Place place;
  FollowerOptions options;
  std::string path;
  Logger logger;
  std::optional<CommitStore> store;
  bool topic_was_there = false;
  broker::Absence absence;
  /// The topic, and up to where its foreign messages are known to be strays.
  wire::TopicId topic{};
  std::int64_t strays = -1;
  /// The topic that was there when the session began, which need not be one that the store is in.
  std::optional<wire::TopicId> here;
  /// The store is in no state of the topic, which may be its own doing.
  bool nowhere = false;
  /// What is here when a snapshot comes is renamed, not replaced.
  bool keep_aside = false;
  /// The snapshot that was used last: once more, it would lead to where it led.
  std::optional<std::pair<std::int64_t, Roots>> used;

  mutable std::mutex mutex;
  FollowerStatus status;  ///< guarded by `mutex`
  /// The last record before the end of the topic, while that is known; likewise.
  std::optional<std::uint64_t> end;

  template <class Change>
  void tell(const Change& change) {
    const std::lock_guard lock(mutex);
    change(status);
  }
  void tell_state(FollowerStatus::State state) {
    tell([&](FollowerStatus& now) { now.state = state; });
  }

  Status run(const std::stop_token& stop) {
    while (true) {
      auto ended = session(stop);
      if (!ended && ended.error().code == ErrorCode::log_gap && can_bootstrap()) {
        logger.warn_of("the topic cannot be followed from here", ended.error());
        ended = bootstrap_anew(std::move(ended).error(), stop);
        if (ended) continue;
      }
      if (stop.stop_requested()) return {};
      if (!ended && ended.error().code == ErrorCode::stale) {
        logger.warn_of("looks again where the topic is", ended.error());
        continue;
      }
      if (ended || !broker::is_away(ended.error(), topic_was_there)) return ended;
      absence.wait(logger, ended.error(), stop, [&] {
        tell([&](FollowerStatus& now) {
          now.state = FollowerStatus::State::waiting;
          end.reset();
          now.trouble = ended.error().to_string();
          ++now.reconnects;
        });
      });
    }
  }

  Status session(const std::stop_token& stop) {
    tell_state(FollowerStatus::State::connecting);
    FLATKV_TRY(broker::check_topic(place, kAnswer));
    FLATKV_ASSIGN(auto consumer, broker::Consumer::open(place));
    FLATKV_TRY(wait_for_beginning(consumer, stop));
    if (!store) FLATKV_TRY(open_store(consumer, stop));
    auto found = follow::find_state(consumer, store->version(), store->committed_roots(), stop);
    if (!found) return state_missing(std::move(found).error(), consumer, stop);
    const topic::Seen& at = *found;
    FLATKV_TRY(consumer.seek(at.next_offset));
    nowhere = false;
    remember(at.header.topic);
    absence.end();
    topic_was_there = true;
    if (std::exchange(topic, at.header.topic) != topic) strays = -1;
    tell([&](FollowerStatus& now) {
      now.state = FollowerStatus::State::following;
      now.trouble.clear();
      now.sequence = at.header.sequence;
    });
    follow::RecordQueue queue;
    Worker reader;
    reader.start("flatkv-topic", [&](const std::stop_token& ended) {
      Status read = guarded([&] { return read_topic(consumer, at.position(), queue, ended); });
      if (!read) queue.fail(std::move(read).error());
    });
    return commit_records(queue, stop);
  }

  /// The error for a store whose state is not in the topic: `log_gap` where a snapshot may help.
  Status state_missing(Error error, broker::Consumer& consumer, const std::stop_token& stop) {
    if (error.code != ErrorCode::version_mismatch) return std::unexpected(std::move(error));
    if (here && follow::look_at(path).topic == here) {
      // It may be on a branch that the topic had, and was taken back, before what it still has.
      FLATKV_ASSIGN(const auto begin, topic::find_begin(consumer, stop));
      if (begin) return std::unexpected(std::move(error));
      error.message += "; what the topic had before its first record is gone";
    } else if (!options.replace_store) {
      return std::unexpected(std::move(error));
    }
    nowhere = true;
    error.code = ErrorCode::log_gap;
    return std::unexpected(std::move(error));
  }

  /// Without it a later start cannot replace the store by itself, no more.
  void remember(const wire::TopicId& of) const {
    const Status done = follow::remember(path, of);
    if (!done) logger.warn_of("the store's topic cannot be remembered", done.error());
  }

  /// A topic to which nothing was ever written: its publisher has yet to begin.
  Status wait_for_beginning(broker::Consumer& consumer, const std::stop_token& stop) {
    while (true) {
      FLATKV_ASSIGN(const topic::Tail tail, topic::read_tail(consumer, 1, stop));
      FLATKV_ASSIGN(const auto bounds, consumer.bounds(kAnswer));
      here = tail.last ? std::optional(tail.last->topic) : std::nullopt;
      if (tail.last || bounds.low > 0) return {};
      tell([](FollowerStatus& now) {
        now.state = FollowerStatus::State::waiting;
        now.trouble = "nobody has begun the topic yet";
      });
      sleep_until(stop, std::chrono::steady_clock::now() + kEmptyPause);
      if (stop.stop_requested())
        return fail(ErrorCode::cancelled, "nobody has begun the topic yet");
    }
  }

  // Reading.

  /// Ends with an error, or when asked to stop.
  Status read_topic(broker::Consumer& consumer, const wire::Position& after,
                    follow::RecordQueue& queue, const std::stop_token& stop) {
    wire::TopicReader reader(after);
    std::int64_t foreign = -1;  // the last one since a record
    while (!stop.stop_requested()) {
      auto next = consumer.next(kSlice);
      if (!next && next.error().code == ErrorCode::log_gap) {
        // Retention took it, or the topic became shorter: it was made anew, or a broker without the
        // last records leads. Where the state is now, if anywhere, only a look tells.
        return fail(ErrorCode::stale, "the topic has nothing at the offset that comes next")
            .path(place.address());
      }
      FLATKV_ASSIGN(const auto message, std::move(next));
      if (!message) {
        if (!consumer.at_end()) continue;
        // A topic that was deleted and made anew has nothing but foreign messages.
        if (foreign > std::exchange(strays, std::max(strays, foreign))) {
          return fail(ErrorCode::stale, "the topic ends with messages of another one")
              .path(place.address());
        }
        tell_end(reader.last()->sequence);
        continue;
      }
      auto record = reader.take(message->key(), message->value());
      if (!record && is_refusal(record.error().code)) {
        refuse(record.error(), message->offset());
        if (record.error().code == ErrorCode::foreign_store) foreign = message->offset();
        continue;
      }
      if (!record) return at_offset(std::move(record).error(), message->offset());
      if (!*record) continue;
      foreign = -1;
      FLATKV_ASSIGN(auto ready, prepare(**std::move(record), message->time()));
      const auto bounds = consumer.last_bounds();
      tell([&](FollowerStatus& now) {
        end.reset();
        now.records_behind = static_cast<std::uint64_t>(
            std::max<std::int64_t>(bounds.high - message->offset() - 1, 0));
      });
      if (!queue.push(std::move(ready), stop)) break;
    }
    return {};
  }

  void tell_end(std::uint64_t sequence) {
    tell([&](FollowerStatus& now) {
      end = sequence;
      now.records_behind = 0;
    });
  }

  std::unexpected<Error> at_offset(Error error, std::int64_t offset) const {
    error.path = place.address();
    error.offset = static_cast<std::uint64_t>(offset);
    return std::unexpected(std::move(error));
  }

  /// The right message may be behind the wrong one; if it is not, what comes says that it is
  /// missing.
  void refuse(const Error& error, std::int64_t offset) {
    logger.warn_of("refused a message of the topic", at_offset(error, offset).error());
    tell([&](FollowerStatus& now) {
      ++now.refused;
      now.trouble = at_offset(error, offset).error().to_string();
    });
  }

  Result<follow::Ready> prepare(wire::Record record, std::int64_t time) const {
    follow::Ready ready{.record = std::move(record), .entry = {}, .sets = {}, .time = time};
    if (ready.record.kind != wire::Kind::block) return ready;
    auto entry = codec::decode_changelog_entry(ready.record.payload);
    if (!entry || entry->version != ready.record.version) {
      return fail(ErrorCode::corruption,
                  entry ? "the block in the topic says that it is of another version"
                        : "the block in the topic does not decode: " + entry.error().message)
          .path(place.address())
          .version(ready.record.version);
    }
    ready.entry = *std::move(entry);
    std::vector<ByteView> keys;
    for (const auto& set : ready.entry.changesets) {
      ready.sets.push_back({set.name, set.pairs});
      for (const KVPair& pair : set.pairs) keys.push_back(pair.key);
    }
    // A hint: a key that is not one is refused when it is applied.
    static_cast<void>(store->prefetch(keys));
    return ready;
  }

  // Committing.

  Status commit_records(follow::RecordQueue& queue, const std::stop_token& stop) {
    while (true) {
      FLATKV_ASSIGN(const auto ready, queue.pop(stop));
      if (!ready) return {};
      const wire::Record& record = ready->record;
      if (record.kind == wire::Kind::block) FLATKV_TRY(commit(*ready));
      if (record.kind == wire::Kind::undo) FLATKV_TRY(undo(record));
      tell([&](FollowerStatus& now) {
        now.sequence = record.at.sequence;
        now.version = store->version();
      });
    }
  }

  Status commit(const follow::Ready& ready) {
    const wire::Record& record = ready.record;
    auto applied = store->apply(ready.sets);
    if (!applied) {
      store->discard();
      if (applied.error().code != ErrorCode::invalid_argument) return applied;
      return fail(ErrorCode::corruption, "the block in the topic has " + applied.error().message)
          .path(place.address())
          .version(record.version);
    }
    FLATKV_ASSIGN(const Roots roots, store->working_roots());
    if (auto same = compare(roots, record, "this block is not committed"); !same) {
      store->discard();
      return same;
    }
    FLATKV_TRY(store->commit(record.version));
    std::uint64_t writes = 0;
    for (const NamedChangeSet& set : ready.sets) writes += set.pairs.size();
    tell([&](FollowerStatus& now) {
      ++now.blocks;
      now.writes += writes;
      now.lag_seconds = seconds_since(ready.time);
    });
    return {};
  }

  Status undo(const wire::Record& record) {
    // Before anything is undone: what is undone is not there any more to go on from.
    FLATKV_ASSIGN(const auto known, roots_of(record.version));
    if (known) FLATKV_TRY(compare(*known, record, "nothing is undone"));
    logger.warning("the topic goes back to version " + std::to_string(record.version));
    auto back = store->rollback(record.version);
    if (!back && back.error().code == ErrorCode::version_mismatch) {
      return fail(ErrorCode::log_gap,
                  "an undo goes deeper than this store can go back: " + back.error().message)
          .path(path)
          .version(record.version);
    }
    FLATKV_TRY(back);
    tell([&](FollowerStatus& now) { ++now.undos; });
    remember(topic);  // a deep one makes another generation
    return compare(store->committed_roots(), record, "the store is at that version now");
  }

  /// As the store's log or snapshots have it; nothing if they do not.
  Result<std::optional<Roots>> roots_of(std::int64_t version) const {
    FLATKV_ASSIGN(const auto logged, store->log_record(version));
    if (logged) return logged->roots;
    const auto kept = roots_at(path, version);
    if (kept) return kept->roots;
    if (kept.error().code == ErrorCode::version_mismatch) return std::optional<Roots>{};
    return std::unexpected(kept.error());
  }

  Status compare(const Roots& own, const wire::Record& record, const std::string& so) const {
    const auto database = differs_in(own, record.roots);
    if (!database) return {};
    Failure failure =
        fail(ErrorCode::corruption,
             "the store computes " + to_hex(own.of(*database)) + " and the topic says " +
                 to_hex(record.roots.of(*database)) + "; " + so +
                 ". `flatkv verify` tells whether this store is damaged; `flatkv diff` with the "
                 "store of "
                 "another replica, or `flatkv digest` of it, names the keys");
    return std::move(failure).path(path).database(*database).version(record.version);
  }

  // Beginning.

  bool can_bootstrap() const { return !options.bootstrap_file.empty() || options.fetch != nullptr; }

  Status open_store(broker::Consumer& consumer, const std::stop_token& stop) {
    // An undo takes as much as the topic's last record says.
    FLATKV_ASSIGN(const auto newest,
                  follow::find_kept(consumer, [](const auto&) { return true; }, stop));
    if (newest) {
      auto& depth = options.store.rollback_depth;
      depth = std::max(depth, std::min(newest->header.depth, wire::kMostDepth));
    }
    options.store.create_if_missing = false;
    auto opened = open_here();
    const bool none = !opened && (opened.error().code == ErrorCode::not_found ||
                                  opened.error().code == ErrorCode::import_incomplete);
    if (none) {
      bool made = false;
      if (can_bootstrap()) {
        FLATKV_ASSIGN(made, bootstrap(consumer, stop));
      }
      if (!made) FLATKV_TRY(allow_creation(consumer, stop));
      opened = open_here();
    }
    if (!opened) return std::unexpected(std::move(opened).error());
    store.emplace(*std::move(opened));
    tell([&](FollowerStatus& now) { now.version = store->version(); });
    if (options.opened) options.opened(&*store);
    return {};
  }

  Result<CommitStore> open_here() {
    tell([](FollowerStatus& now) {
      now.state = FollowerStatus::State::opening;
      now.replayed_blocks = now.replay_blocks = 0;
    });
    return store::open_commit_store({}, path, options.store,
                                    [this](auto, std::uint64_t done, std::uint64_t total) {
                                      tell([&](FollowerStatus& now) {
                                        now.replayed_blocks = done;
                                        now.replay_blocks = total;
                                      });
                                    });
  }

  /// A topic that begins without any row begins with an empty store.
  Status allow_creation(broker::Consumer& consumer, const std::stop_token& stop) {
    FLATKV_ASSIGN(const auto begin, topic::find_begin(consumer, stop));
    if (!begin || begin->header.roots != empty_roots()) {
      return fail(ErrorCode::log_gap,
                  begin
                      ? "the topic goes on from a state that has rows; begin with a snapshot of it"
                      : "the topic no longer has its beginning; begin with a snapshot")
          .path(place.address());
    }
    FLATKV_ASSIGN(options.store.create.account_rows, wire::account_rows_of(begin->payload));
    options.store.create.initial_version = version_after(begin->header.version).value_or(0);
    options.store.create_if_missing = true;
    return {};
  }

  Status bootstrap_anew(Error gap, const std::stop_token& stop) {
    FLATKV_TRY(close());
    FLATKV_TRY(decide_on_old(gap));
    FLATKV_ASSIGN(auto consumer, broker::Consumer::open(place));
    FLATKV_ASSIGN(const bool made, bootstrap(consumer, stop));
    if (made) return {};
    return std::unexpected(std::move(gap));
  }

  /// What becomes of the store that is here. One that is not known to be a replica of this topic
  /// may be another chain's, all of it.
  Status decide_on_old(const Error& gap) {
    const follow::Replica replica = follow::look_at(path);
    const bool ours = here && replica.topic == here;
    keep_aside = replica.there && (!ours || nowhere);
    if (!replica.there || ours || options.replace_store) return {};
    auto refused = fail(ErrorCode::foreign_store,
                        gap.message +
                            "; nothing tells that this store is a replica of the topic, so that it "
                            "is not replaced")
                       .path(path)
                       .error();
    refused.version = gap.version;
    return std::unexpected(std::move(refused));
  }

  /// Before a snapshot is imported.
  Status make_room() {
    if (!std::exchange(keep_aside, false)) return {};
    FLATKV_ASSIGN(const std::string aside, follow::put_aside(path));
    logger.warning("the store that was here is kept at " + aside);
    return {};
  }

  /// False if there is no snapshot that leads further than the last one.
  Result<bool> bootstrap(broker::Consumer& consumer, const std::stop_token& stop) {
    tell_state(FollowerStatus::State::bootstrapping);
    return options.bootstrap_file.empty() ? bootstrap_marker(consumer, stop)
                                          : bootstrap_file(consumer, stop);
  }

  Result<bool> bootstrap_marker(broker::Consumer& consumer, const std::stop_token& stop) {
    std::set<std::string> gone;  // locations
    std::optional<Error> newest;
    const auto is_left = [&](const topic::Seen& seen) {
      return names_a_place(seen) && !gone.contains(std::string(as_chars(seen.payload)));
    };
    while (true) {
      FLATKV_ASSIGN(const auto found, follow::find_snapshot(consumer, is_left, stop));
      if (!found || used == std::pair(found->header.version, found->header.roots)) {
        if (newest) return std::unexpected(*newest);
        return false;
      }
      const SnapshotMarker snapshot{.version = found->header.version,
                                    .roots = found->header.roots,
                                    .location = std::string(as_chars(found->payload))};
      logger.info("begins with the snapshot of version " + std::to_string(snapshot.version) +
                  " at " + snapshot.location);
      FLATKV_TRY(make_room());
      const Status fetched = options.fetch(snapshot, path, stop);
      if (fetched) return bootstrapped(*found);
      if (fetched.error().code != ErrorCode::not_found) return std::unexpected(fetched.error());
      // It was removed, or is being: an older one serves as well, and costs blocks.
      logger.warn_of("the snapshot is not there, looks for an older one", fetched.error());
      if (!newest) newest = fetched.error();
      gone.emplace(snapshot.location);
    }
  }

  Result<bool> bootstrap_file(broker::Consumer& consumer, const std::stop_token& stop) {
    const std::string& file = options.bootstrap_file;
    FLATKV_ASSIGN(const auto source, transfer::open_source(fs::posix(), file));
    FLATKV_ASSIGN(const auto stream,
                  transfer::in_file(transfer::StreamReader::open(*source), file));
    const StreamSummary& summary = stream.header().summary;
    const auto is_it = [&](const topic::Seen& seen) {
      return seen.is_state() && seen.header.version == summary.version &&
             seen.header.roots == summary.roots;
    };
    FLATKV_ASSIGN(const auto found, follow::find_kept(consumer, is_it, stop));
    if (!found) {
      return fail(ErrorCode::version_mismatch,
                  "the topic does not confirm this state: it was never in it, took it back, or no "
                  "longer has it")
          .path(file)
          .version(summary.version);
    }
    if (used == std::pair(summary.version, summary.roots)) return false;
    FLATKV_TRY(make_room());
    FLATKV_TRY(import_file(file, path, {.force = true, .log = options.log},
                           {.root = {}, .roots = summary.roots, .lines = {}}, {.stop = stop}));
    return bootstrapped(*found);
  }

  /// With the state that the record names.
  bool bootstrapped(const topic::Seen& with) {
    used.emplace(with.header.version, with.header.roots);
    nowhere = false;
    remember(with.header.topic);
    tell([](FollowerStatus& now) { ++now.bootstraps; });
    return true;
  }

  Status close() {
    if (!store) return {};
    if (options.opened) options.opened(nullptr);
    const Status closed = store->close();
    store.reset();
    return closed;
  }
};

Follower::Follower(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Follower::Follower(Follower&&) noexcept = default;
Follower& Follower::operator=(Follower&&) noexcept = default;
Follower::~Follower() = default;

Result<Follower> Follower::of(const std::string& store, const FollowerOptions& options) {
  return guarded([&]() -> Result<Follower> {
    auto impl = std::make_unique<Impl>();
    FLATKV_ASSIGN(impl->place, broker::parse_place(options.from));
    impl->path = store;
    impl->options = options;
    impl->logger = Logger(options.log);
    impl->options.store.log = options.log;
    impl->place.client = options.client;
    impl->place.logger = impl->logger;
    return Follower(std::move(impl));
  });
}

Status Follower::run(const std::stop_token& stop) {
  return guarded([&]() -> Status {
    // Also where memory runs out, the store is closed and nobody is left with it.
    const Status ended = guarded([&] { return impl_->run(stop); });
    const Status closed = guarded([&] { return impl_->close(); });
    const Status& first = ended ? closed : ended;
    impl_->tell([&](FollowerStatus& now) {
      now.state = FollowerStatus::State::stopped;
      if (!first) now.trouble = first.error().to_string();
    });
    return first;
  });
}

FollowerStatus Follower::status() const {
  const std::lock_guard lock(impl_->mutex);
  FollowerStatus now = impl_->status;
  now.caught_up = now.state == FollowerStatus::State::following && impl_->end == now.sequence;
  return now;
}

}  // namespace flatkv

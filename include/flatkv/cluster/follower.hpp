// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "flatkv/cluster/publisher.hpp"
#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/options.hpp"
#include "flatkv/store.hpp"

// A replica: a store that does what the topic of a Publisher says.
namespace FLATKV_API flatkv {

struct FollowerOptions {
  /// kafka://HOST:PORT[,HOST:PORT…]/TOPIC.
  std::string from;
  /// Settings of librdkafka, such as `security.protocol`.
  std::map<std::string, std::string> client{};
  /// How the store is opened. It is created as the topic says; `rollback_depth` is raised to what
  /// the topic's undos take. With Durability::group, the default here, a power cut costs some
  /// blocks, which the topic still has.
  Options store = {.durability = Durability::group};
  /// A stream to begin with (export_to_file), if its state is one that the topic went through and
  /// did not take back. Empty: none.
  std::string bootstrap_file{};
  /// Makes the store at `path`, or replaces the one there, by the snapshot of a marker. Where it is
  /// set, the newest snapshot is used that no later undo takes back and from which the topic still
  /// goes on; after `not_found` the next older one. It checks the roots line.
  std::function<Status(const SnapshotMarker& snapshot, const std::string& path,
                       const std::stop_token& stop)>
      fetch{};
  /// A store that can no longer be followed with is replaced by a snapshot only where it is known
  /// to be a replica of this topic. With this, any other is, too: a store of another chain even. It
  /// is renamed to `path`.replaced-1 (-2, …), not removed.
  bool replace_store = false;
  /// Called on the thread of `run` with the store when it is open, and with null before it is
  /// closed, which waits until this returns. In between, others may call what CommitStore lists for
  /// any thread.
  std::function<void(CommitStore* store)> opened{};
  LogCallback log{};
};

/// How a follower stands. Counters are since it was made.
struct FollowerStatus {
  enum class State : std::uint8_t {
    connecting,
    bootstrapping,
    opening,  ///< its store, which takes long where blocks are replayed
    following,
    waiting,  ///< for the broker or the topic's first record; `trouble` tells more
    stopped,
  };
  State state = State::connecting;
  std::optional<std::int64_t> version;  ///< committed; unset while there is no store
  std::uint64_t sequence = 0;           ///< of the last record that was followed
  /// Whether everything in the topic was followed when the broker was last heard.
  bool caught_up = false;
  std::uint64_t records_behind = 0;  ///< about: offsets that are no records count, too
  double lag_seconds = 0;            ///< from the publisher's send to the commit, of the last block
  std::uint64_t blocks = 0, writes = 0, undos = 0, bootstraps = 0;
  /// Messages that were no continuation of the topic: damaged, foreign or double.
  std::uint64_t refused = 0;
  std::uint64_t reconnects = 0;
  /// Of the open that is under way or was the last: blocks that are replayed, and to replay in all.
  std::uint64_t replayed_blocks = 0, replay_blocks = 0;
  std::string trouble;
};

/// Follows a topic with a store of its own. Where it stands in the topic is nowhere stored: it is
/// the last record after which the topic is in the store's state, version and roots line, which
/// commits atomically with each block. So no block is lost or applied twice, whatever is killed
/// when.
///
/// Each block is applied and its whole roots line compared before it is committed.
class Follower {
 public:
  static Result<Follower> of(const std::string& store, const FollowerOptions& options);
  Follower(Follower&&) noexcept;
  Follower& operator=(Follower&&) noexcept;
  ~Follower();

  /// Follows until a stop is requested, then closes the store. While the broker is away it waits,
  /// longer each time, and says so; what can no longer be followed from the topic is bootstrapped
  /// anew where there is something to bootstrap with. Errors:
  /// - `corruption`: a block gives another roots line here, which `version` and `database` name; it
  ///   is not committed. Or the topic is damaged;
  /// - `log_gap`: the topic no longer, or not yet, has what the store needs next;
  /// - `version_mismatch`: the store is in no state that the topic was in;
  /// - `foreign_store`: a snapshot would replace it, and it is not known to be a replica of this
  ///   topic (FollowerOptions::replace_store);
  /// - `format_too_new`, `not_found` (no topic), `unsupported` (its settings), `permission`,
  ///   `invalid_argument`, and those of CommitStore.
  Status run(const std::stop_token& stop);

  /// Any thread. Throws only std::bad_alloc.
  FollowerStatus status() const;

 private:
  struct Impl;
  explicit Follower(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv

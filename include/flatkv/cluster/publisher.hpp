// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/options.hpp"
#include "flatkv/roots.hpp"
#include "flatkv/store.hpp"

// Sends what a store commits and undoes to a Kafka topic, for Follower
// (flatkv/cluster/follower.hpp).
namespace FLATKV_API flatkv {

struct PublisherOptions {
  /// kafka://HOST:PORT[,HOST:PORT…]/TOPIC. The topic has one partition and cleanup.policy=delete.
  std::string to;
  /// Settings of librdkafka, such as `security.protocol`.
  std::map<std::string, std::string> client{};
  /// Makes the topic if there is none: one partition, kept for ever, as many copies as is the
  /// broker's default.
  bool create_topic = false;
  /// Where the store is below the topic's end, and on its branch, the topic is taken back at once.
  /// Without it the store is one that has yet to come there, such as a standby's, until its next
  /// block tells that it went back. Nobody else can tell the two apart: their states are equal.
  bool take_back = false;
  /// Goes on with the blocks that are committed later; otherwise `run` returns at the end.
  bool follow = true;
  /// Of the cursor that keeps the log, for a publisher of a CommitStore (SubscribeOptions::name).
  std::string name = "publisher";
  /// How many versions an undo takes the topic back at most, and how many blocks a follower must
  /// therefore be able to undo; 1 to 4096.
  std::uint32_t depth = 128;
  /// The most of a record's payload that one message holds, compressed; 1024 to 2^30. The broker's
  /// max.message.bytes must be 1 KiB larger.
  std::uint64_t part_bytes = 900U << 10;
  /// A transaction ends when its messages reach either of these, each ≥ 1, or when no more blocks
  /// are there.
  std::uint64_t batch_bytes = 4U << 20;
  std::uint32_t batch_records = 1000;
  LogCallback log{};
};

/// How a publisher stands. Counters are since it was made.
struct PublisherStatus {
  enum class State : std::uint8_t {
    connecting,
    publishing,
    waiting,  ///< for the broker, which `trouble` tells more of
    behind,   ///< the topic is ahead of the store, which another publisher's store was
    stopped,
  };
  State state = State::connecting;
  std::int64_t version = 0;        ///< of the topic's state
  std::int64_t store_version = 0;  ///< durable
  double lag_seconds = 0;          ///< since the topic last had all of the store's durable blocks
  std::uint64_t blocks = 0, undos = 0, markers = 0;
  std::uint64_t bytes = 0;  ///< of messages
  std::uint64_t transactions = 0;
  std::uint64_t reconnects = 0;
  std::string trouble;

  std::int64_t lag_versions() const noexcept {
    return store_version > version ? store_version - version : 0;
  }
};

/// A snapshot in object storage, for followers that begin with it.
struct SnapshotMarker {
  std::int64_t version = 0;
  Roots roots;
  std::string location;  ///< a URI
};

/// Publishes one store to one topic. There is one publisher of a topic: starting another fences the
/// one before, which then ends with `locked`. Every record continues the one before it by sequence
/// and digest (docs/formats.md, "Topic"), so readers need nothing but the topic. Commits never wait
/// for a publisher.
///
/// At start, and whenever the broker was away, it reads the end of the topic and goes on from there
/// if its own store has the same roots line at that version, so a standby can take over. Where the
/// two part at most `depth` versions below, the topic is first taken back to the last version at
/// which they are equal.
class Publisher {
 public:
  /// Of a store in this process, which must outlive it: sends durable blocks; while it is away or
  /// the broker is, the log is kept for it, up to Options::log_keep_bytes.
  static Result<Publisher> of(CommitStore& store, const PublisherOptions& options);
  /// Of a store that another process may have open: sends what the log has, each block after having
  /// made it durable. The log is kept only as long as the store itself needs it.
  static Result<Publisher> of(const std::string& store, const PublisherOptions& options);
  Publisher(Publisher&&) noexcept;
  Publisher& operator=(Publisher&&) noexcept;
  ~Publisher();

  /// Publishes until a stop is requested, or the end without PublisherOptions::follow. While the
  /// broker is away it waits, longer each time, and says so. Errors: `locked` (fenced), `log_gap`
  /// (the log no longer holds what the topic needs next), `version_mismatch` (store and topic part
  /// deeper than an undo may go; or, without PublisherOptions::follow, the topic is ahead of the
  /// store), `foreign_store`, `not_found` (no topic), `unsupported` (its
  /// settings), `permission`, `invalid_argument`, and those of Subscription and LogReader.
  Status run(const std::stop_token& stop);

  /// A snapshot was put into object storage. The marker is written as soon as no undo can pass its
  /// version any more, which is `depth` versions later; one whose roots line is not the store's is
  /// dropped with a warning. Any thread. Throws only std::bad_alloc: nothing was announced then.
  void announce(SnapshotMarker marker);

  /// Any thread. Throws only std::bad_alloc.
  PublisherStatus status() const;

 private:
  struct Impl;
  explicit Publisher(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace flatkv

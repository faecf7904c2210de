// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "flatkv/bytes.hpp"
#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/log_block.hpp"

// What a store committed, and what it commits and undoes from now on: for indexers, caches and
// replicas that follow it (CommitStore::changes and CommitStore::subscribe).
namespace FLATKV_API flatkv {

/// A version and its chain digest, which tells it from the same version of another branch.
struct ChainPosition {
  std::int64_t version = 0;
  Digest chain{};
  bool operator==(const ChainPosition&) const = default;
};

/// How far a consumer has come: the last blocks that it was told of. The consumer stores `encode`
/// with the effects of these blocks and hands it to the next subscription, also after a restart.
struct Cursor {
  static constexpr std::size_t kMostBlocks = 4097;

  std::array<std::uint8_t, 16> store{};  ///< store id
  /// Consecutive versions, oldest first; 1 to kMostBlocks.
  std::vector<ChainPosition> blocks;

  /// With a digest. Errors: `invalid_argument` for a cursor that breaks the rules of `blocks`,
  /// `out_of_memory`.
  Result<Bytes> encode() const;
  /// Errors: `corruption`, `format_too_new`, `out_of_memory`.
  static Result<Cursor> decode(ByteView bytes);
  bool operator==(const Cursor&) const = default;
};

/// What happened to the chain: a block was committed on top, or the store went back.
struct ChangeEvent {
  /// The block that was committed; or where the store went back to: all blocks above are undone.
  ChainPosition at;
  std::optional<LogBlock> block;  ///< unset for an undo
};

/// Which blocks a subscription delivers.
enum class Deliver : std::uint8_t {
  /// Durable ones. No power cut takes back what was delivered, so the cursor holds after a restart.
  durable,
  /// All, as soon as they are committed. There is no cursor.
  committed,
};

struct SubscribeOptions {
  Deliver deliver = Deliver::durable;
  /// Where the consumer stands. If the block is no longer on the chain, the first event is one undo
  /// to the highest block of the cursor that is.
  std::optional<Cursor> cursor{};
  /// Without a cursor: the first event is the block after this version. Unset: after the last block
  /// that would be delivered now.
  std::optional<std::int64_t> after{};
  /// How many blocks may be undone while the consumer is away; at most 4096. A cursor has 40 bytes
  /// for each.
  std::uint32_t depth = 128;
  /// If set, the store keeps the log that this consumer needs, as far as it has acknowledged
  /// (Subscription::acknowledge), also while it is away and through a rollback; up to
  /// Options::log_keep_bytes. Where more is lost, a warning names the consumer. 1 to 64 of a-z,
  /// A-Z, 0-9, '.', '_', '-'; `durable` only; for one subscription at a time, till it is destroyed.
  std::string name{};
};

/// Delivers every commit and every undo in order, first from the log, then as they happen. The
/// blocks delivered and not undone are always a chain: each block follows the one before it, and an
/// undo goes back to a block that was delivered (or to where the subscription began, or below). A
/// block that was committed and undone before its turn came is left out.
///
/// Delivery is at least once; it is exactly once for consumers that store the cursor with the
/// effects of the event. Reading from the log, a slow consumer holds nothing up and takes no
/// memory. One thread at a time; any number of subscriptions. A subscription may outlive the
/// handle, and then says `store_failed`. One that was moved from may only be destroyed or assigned
/// to.
class Subscription {
 public:
  Subscription(Subscription&&) noexcept;
  Subscription& operator=(Subscription&&) noexcept;
  ~Subscription();

  /// The next event; waits for one for at most `timeout`, not at all if that is negative, and
  /// returns nothing if there was none.
  /// Errors, of which all but `corruption`, `io` and `out_of_memory` are for good: `log_gap` (the
  /// log no longer holds the next block), `store_failed` (closed; or failed, and all that can be
  /// delivered was), `unsupported` (forked).
  Result<std::optional<ChangeEvent>> next(std::chrono::milliseconds timeout);

  /// Calls `each` on this thread with every event until it returns false or `stop` is requested;
  /// returns the error that ends it otherwise, as from `next`. After an exception of `each`, which
  /// is an error too, the event counts as delivered.
  Status follow(const std::stop_token& stop, const std::function<bool(const ChangeEvent&)>& each);

  /// The cursor after the last event that was delivered. `unsupported` with Deliver::committed, or
  /// if forked.
  Result<Cursor> cursor() const;

  /// For a named subscription: the consumer has stored this cursor, so the store keeps only the log
  /// from its first block on, or from that of `cursor()` on, or from where an undo went, if lower.
  /// Durable with the close; after a crash the store may keep more. Errors: `invalid_argument` (no
  /// name, a cursor against the rules, or one above what was delivered), `not_found` (the name was
  /// dropped), `foreign_store`, `store_failed` (closed), `unsupported` (forked), `format_too_new`
  /// (the names); if the name now needs more than before, `io` and `no_space`.
  Status acknowledge(const Cursor& stored);

 private:
  friend struct Internals;
  struct Impl;
  explicit Subscription(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Committed blocks from the log, in order, one in memory at a time. One thread at a time. One that
/// was moved from may only be destroyed or assigned to.
class ChangeReader {
 public:
  ChangeReader(ChangeReader&&) noexcept;
  ChangeReader& operator=(ChangeReader&&) noexcept;
  ~ChangeReader();

  /// The next block; nothing after the last. Errors: `log_gap` (the block was pruned meanwhile),
  /// `version_mismatch` (the block was undone meanwhile, also if there is another one now),
  /// `store_failed` (the store was closed), `unsupported` (forked), `corruption`, `io`,
  /// `out_of_memory`.
  Result<std::optional<LogBlock>> next();

 private:
  friend struct Internals;
  struct Impl;
  explicit ChangeReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// A name that holds the pruning of the log back.
struct NamedCursor {
  std::string name;
  /// The log above this version is kept. It goes up with `acknowledge` and where the log was lost
  /// all the same (beyond Options::log_keep_bytes), and down with an undo.
  std::int64_t version = 0;
};

}  // namespace flatkv

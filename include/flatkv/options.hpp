// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "flatkv/account.hpp"
#include "flatkv/executor.hpp"
#include "flatkv/export.hpp"

namespace FLATKV_API flatkv {

/// When `commit` returns.
enum class Durability : std::uint8_t {
  sync,     ///< the block is on stable storage
  process,  ///< the block survives a crash of the process; a power cut may lose the newest blocks
  group,    ///< as `process`, with at most `Options::group_blocks` blocks not yet durable
};

/// Whether all rows are verified, a slice at a time, while the store runs (scrub.hpp).
enum class Scrub : std::uint8_t {
  off,            ///< no scrub; progress saved by an earlier handle stays on disk
  by_hand,        ///< only by calls of `CommitStore::scrub`
  in_background,  ///< on a thread of the store
};

enum class LogLevel : std::uint8_t { info, warning, error };

/// Receives the library's messages, from any of its threads. Of the store it may call only what
/// CommitStore lists for callbacks. Exceptions that it throws are dropped.
using LogCallback = std::function<void(LogLevel level, std::string_view message)>;

/// Properties of a store that are fixed when it is created.
struct CreateOptions {
  AccountRows account_rows = AccountRows::keep;
  /// The first version that is committed; 1 ≤ initial_version < int64 max.
  std::int64_t initial_version = 1;
};

/// What strict mode accepts besides well-formed EVM writes.
struct StrictExceptions {
  /// Keys whose first byte is none of the EVM's five. They go into the legacy database.
  bool legacy_keys = false;
  /// Modules other than `evm`. Their change sets are ignored and counted.
  std::vector<std::string> modules{};
};

/// When committed rows move from the write buffers into the databases, and when that waits.
struct FlushOptions {
  /// A flush starts when committed rows take this much memory. Up to three such buffers exist at a
  /// time.
  std::uint64_t write_buffer_bytes = 128ULL << 20;
  /// A flush also starts when the log since the last one reaches either of these, which bounds the
  /// time of recovery.
  std::uint64_t max_lag_blocks = 10'000;
  std::uint64_t max_lag_bytes = 256ULL << 20;
  /// A flush waits while a database has more level-0 files or more bytes of pending compaction than
  /// this, except at close and for a snapshot. A `level0_limit` of less than 7 counts as 7: RocksDB
  /// starts a compaction of level 0 at 8 files, so a lower limit would wait for ever.
  std::uint32_t level0_limit = 24;
  std::uint64_t pending_compaction_limit_bytes = 8ULL << 30;
};

/// Memory that spares reads from disk.
struct CacheOptions {
  /// Size of the row cache; 0 disables it. At most the memory that this process may use: the
  /// machine's, or less if its control groups (cgroup v1 or v2) limit it. `kAutomatic` means a
  /// quarter of that, at most 4 GiB, and less if write buffers, `key_filter_bytes` and
  /// `block_cache_bytes` leave less.
  static constexpr std::uint64_t kAutomatic = ~0ULL;
  std::uint64_t row_cache_bytes = kAutomatic;
  /// Memory limit of the Bloom filters (12 bits/key) that prove a key absent without a table read.
  /// They take memory as they fill; a database whose filter does not fit in the limit has none. 0
  /// disables them.
  std::uint64_t key_filter_bytes = 256ULL << 20;
  /// Size of RocksDB's block cache, shared by the five databases; at most 2^47.
  std::uint64_t block_cache_bytes = 256ULL << 20;
};

/// Reads of rows that are in none of the store's memory.
struct ReadOptions {
  /// The most rows that one call reads from the device at the same time (`apply`, `get_many`, the
  /// replay at an open); 1 to 1024. A device gives many times more to many readers than to one. The
  /// calls of a store share threads for it, fewer by one than this. They start when reads first
  /// have to wait for the device; reads from the system's page cache need none. 1: each call reads
  /// on its own thread alone.
  std::uint32_t in_flight = 32;
  /// The most rows that wait for CommitStore::prefetch and Overlay::prefetch to load them; what is
  /// asked for beyond is dropped. 0: these do nothing.
  std::uint64_t prefetch_rows = 65'536;
};

struct SnapshotOptions {
  /// A snapshot is taken at every version divisible by this; 0 takes none automatically.
  std::uint64_t interval = 10'000;
  /// How many valid snapshots are kept besides the newest.
  std::uint32_t keep = 2;
};

struct ScrubOptions {
  Scrub mode = Scrub::off;
  /// `in_background` only: the most rows read per second; ≥ 1.
  std::uint64_t rows_per_second = 20'000;
  /// `in_background` only: seconds between the end of a round and the start of the next.
  std::uint32_t pause_seconds = 60;
};

/// How a store is opened. The defaults suit a node. A value outside the range given for its field
/// is refused with `invalid_argument`, which names field and range; a field without a range takes
/// any value. Sizes are in bytes.
struct Options {
  /// Create the store if there is none. A store with a missing piece is refused, never created
  /// anew.
  bool create_if_missing = false;
  /// Used only if this open creates the store.
  CreateOptions create{};

  /// Makes `apply` refuse (`invalid_argument`, nothing changed) what is probably a mistake: change
  /// sets of modules other than `evm`, legacy keys, and keys that begin like an EVM key but have
  /// another length. Without it, such change sets are ignored and such keys stored as legacy rows,
  /// as the reference implementation does. Replay of the log is never strict.
  bool strict = false;
  /// Used only with `strict`.
  StrictExceptions strict_exceptions{};

  Durability durability = Durability::sync;
  /// `group` only: the most blocks that may be committed and not yet durable; ≥ 1.
  std::uint32_t group_blocks = 16;
  /// `group` only: called on the syncing thread when blocks up to `version` have become durable. It
  /// may call what CommitStore lists for callbacks. Commits that find `group_blocks` blocks not yet
  /// durable wait for it, as do `rollback` and `close`; so it must not wait for a thread that reads
  /// a subscription, which a rollback keeps waiting. An exception that it throws fails the store.
  std::function<void(std::int64_t version)> on_durable{};

  FlushOptions flush{};
  CacheOptions cache{};
  ReadOptions reads{};
  SnapshotOptions snapshot{};
  ScrubOptions scrub{};

  /// A changelog segment is closed at this size, ≥ 1; a larger record gets a segment of its own.
  std::uint64_t segment_bytes = 64ULL << 20;
  /// The most of the log, in whole segments, that is kept only because named cursors need it
  /// (flatkv/changes.hpp). 0 keeps nothing for them.
  std::uint64_t log_keep_bytes = 1ULL << 30;

  /// While views alone keep more than this in write buffers alive, a new view is refused with
  /// `no_space`. Before that, recent versions are dropped.
  std::uint64_t max_view_bytes = 1ULL << 30;
  /// How many versions `CommitStore::view(version)` can give, the current one included; 0 and 1
  /// keep only that. They keep write buffers alive after their flush, which is counted with the
  /// views against `max_view_bytes`: beyond it the oldest versions are dropped.
  std::uint32_t recent_versions = 128;
  /// Writes to overlays and new overlays that could take more than this in all are refused with
  /// `no_space`. One `apply` may exceed it by old values and by the growth of a table.
  std::uint64_t overlay_memory_bytes = 1ULL << 30;

  /// How many blocks can be undone at once, by `CommitStore::rollback` in milliseconds: buffers
  /// with younger blocks are not flushed, and a snapshot is written when it is that old, as far as
  /// the buffers allow. Each such block takes 10 KiB of memory beside its rows. 0 holds nothing
  /// back; at most 65536.
  std::uint32_t rollback_depth = 0;

  /// This store's share: the most threads that hash a block, the calling one included, and the most
  /// that a scan uses; at most 1024. 0 is one per core that this process may use (CPU affinity and
  /// quota count) and, for hashing, all that the executor has. Hashing never uses more than the
  /// executor has. Other stores' shares of the same executor are their own.
  std::uint32_t threads = 0;
  /// Where this store's hashing runs beside the calling thread, and what a `get_many` of a thousand
  /// keys looks up in memory; null is `shared_executor()`. Scans and background work have threads
  /// of their own.
  std::shared_ptr<Executor> executor{};

  LogCallback log{};
};

}  // namespace flatkv

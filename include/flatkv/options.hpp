// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "flatkv/export.hpp"

namespace FLATKV_API flatkv {

/// What happens to an account row whose three fields are zero. Part of the root, so fixed at
/// creation.
enum class AccountRows : std::uint8_t {
  keep,  ///< any write of a field creates the row and it stays for ever (the reference's way)
  prune_empty,  ///< the row is removed (EIP-161)
};

/// When `commit` returns.
enum class Durability : std::uint8_t {
  sync,     ///< the block is on stable storage
  process,  ///< the block survives a crash of the process; a power cut may lose a suffix
  group,    ///< as `process`, with at most `Options::group_blocks` blocks not yet durable
};

/// Verification of all rows, a slice at a time, beside the running store (scrub.hpp).
enum class Scrub : std::uint8_t {
  off,            ///< what an earlier handle remembered is left alone
  by_hand,        ///< by `CommitStore::scrub`
  in_background,  ///< on a thread of the store's own
};

enum class LogLevel : std::uint8_t { info, warning, error };

/// Receives what the library has to say, from any thread. It may call what CommitStore's table
/// lists for callbacks, and nothing else of the store. What it throws is dropped.
using LogCallback = std::function<void(LogLevel level, std::string_view message)>;

/// Fixed when a store is created.
struct CreateOptions {
  AccountRows account_rows = AccountRows::keep;
  /// First version that is committed; 1 ≤ initial_version < int64 max.
  std::int64_t initial_version = 1;
};

/// What strict mode lets through besides well-formed writes of the EVM.
struct StrictExceptions {
  /// Keys with another first byte than the EVM's five. They go into the legacy database.
  bool legacy_keys = false;
  /// Modules other than `evm`. Their change sets are ignored and counted.
  std::vector<std::string> modules{};
};

/// How a store is opened. Every field has a default that suits a node. An open refuses a value out
/// of its range with `invalid_argument`, naming field and range; where none is given, any value
/// will do.
struct Options {
  /// Create the store if there is none. A store with a missing piece is never created anew.
  bool create_if_missing = false;
  /// Used only when the store is created by this open.
  CreateOptions create{};

  /// Makes `apply` refuse (`invalid_argument`, nothing changed) what is likely a mistake: change
  /// sets of modules other than `evm`, legacy keys, and keys that begin as an EVM key does but have
  /// another length. Off, these are ignored or stored as legacy rows, as the reference does. Replay
  /// of the log is never strict.
  bool strict = false;
  /// Used only with `strict`.
  StrictExceptions strict_exceptions{};

  Durability durability = Durability::sync;
  /// `group`: most blocks that may be committed and not yet durable; ≥ 1.
  std::uint32_t group_blocks = 16;
  /// `group`: called by the syncing thread after blocks up to `version` became durable. It may call
  /// what CommitStore's table lists for callbacks. Commits that find `group_blocks` not yet durable
  /// wait for it, as do `rollback` and `close`. What it throws fails the store.
  std::function<void(std::int64_t version)> on_durable{};

  /// Bytes of committed rows in memory before a flush starts. Up to three such buffers exist.
  std::uint64_t write_buffer = 128ULL << 20;
  /// A flush also starts when the log since the last one exceeds either of these, which bounds
  /// recovery.
  std::uint64_t max_lag_blocks = 10'000;
  std::uint64_t max_lag_bytes = 256ULL << 20;
  /// Changelog segments are closed at this many bytes, ≥ 1; a larger record gets a segment of its
  /// own.
  std::uint64_t segment_bytes = 64ULL << 20;

  /// Bytes of clean rows kept in memory, at most the memory that this process may use: the
  /// machine's or less where its control groups (cgroup v1 and v2) say so. `kAutoCache` is a
  /// quarter of that up to 4 GiB, less where the buffers, filters and block cache below leave less;
  /// 0 is off.
  static constexpr std::uint64_t kAutoCache = ~0ULL;
  std::uint64_t row_cache = kAutoCache;
  /// Most bytes of filters (12 bits a key) that tell of a key that it is new without touching a
  /// table; taken as they fill. 0 is off; it is off, too, for a database of which it would be more.
  std::uint64_t key_filter = 256ULL << 20;
  /// Bytes of RocksDB's block cache, shared by the five databases; at most 2^47.
  std::uint64_t block_cache = 256ULL << 20;

  /// A flush waits while a database has more level-0 files or pending compaction bytes than this.
  std::uint32_t level0_limit = 24;
  std::uint64_t pending_compaction_limit = 8ULL << 30;
  /// Bytes of buffers that only views keep alive; above it a new view is refused with `no_space`.
  std::uint64_t max_view_bytes = 1ULL << 30;

  /// A snapshot is taken when version % snapshot_interval = 0; 0 is never.
  std::uint64_t snapshot_interval = 10'000;
  /// Older valid snapshots kept beside the newest.
  std::uint32_t snapshot_keep = 2;

  /// Threads for hashing, scanning and imports, at most 1024; 0 is one per core that this process
  /// may use (affinity and CPU quota count). The pool that hashes is one for the process: it has as
  /// many as the store that was opened last asked for, other than 0.
  std::uint32_t threads = 0;

  Scrub scrub = Scrub::off;
  /// `in_background`: most rows that are read in a second; ≥ 1.
  std::uint64_t scrub_rows_per_second = 20'000;
  /// `in_background`: seconds from the end of a round to the next.
  std::uint32_t scrub_pause_seconds = 60;

  LogCallback log{};
};

}  // namespace flatkv

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>

#include "base/error.hpp"
#include "flatkv/lthash.hpp"
#include "lthash/batch.hpp"
#include "rocks/cursor.hpp"
#include "rocks/pinned_database.hpp"

// Streaming scans of a whole database on several threads.
namespace flatkv::scan {

using rocks::CursorFactory;

struct ScanOptions {
  unsigned threads = 0;               ///< 0: one per core; includes the caller's
  std::uint64_t rows_per_second = 0;  ///< of all threads together; 0: no limit
  std::stop_token stop;               ///< read with each batch of at most 1024 rows
  /// Rows seen so far. Called from any of the threads, never from two at once, now and then and at
  /// the end. The number never decreases.
  std::function<void(std::uint64_t rows)> progress;
  rocks::Bounds bounds;  ///< scan only rows within; default all
  /// Called by a thread before the first batch of a range. Until its next call, that thread's
  /// batches are adjacent: no row lies between the last of one and the first of the next.
  std::function<void(unsigned thread)> range_begins;
};

/// The number of threads that a scan with these options uses.
unsigned thread_count(const ScanOptions& options) noexcept;

/// Receives rows as {key, empty old value, value}, ascending within one call and valid for the
/// call. `thread` is below `thread_count`; concurrent calls have different ones.
using Visitor = std::function<Status(unsigned thread, std::span<const lthash::RowChange> rows)>;

/// Shows every row once to `visit`, in no order between calls. Divides the work while it runs, for
/// any distribution of keys. Memory: about 1 MiB a thread, or the largest value if that is more.
/// Stops at the first error: of a cursor (its status is asked at its end, so that an error never
/// looks like the end), of `visit`, `corruption` if keys do not ascend, or `cancelled`.
Status scan_batches(const CursorFactory& cursors, const ScanOptions& options, const Visitor& visit);

struct ScanResult {
  LtHash hash;  ///< sum of the elements of all rows
  DatabaseStats stats;
};

/// Hash and stats of all rows.
Result<ScanResult> scan_rows(const CursorFactory& cursors, const ScanOptions& options);

/// Where a partial scan stops.
struct SliceLimit {
  std::uint64_t rows = 0;   ///< at most this many, ≥ 1
  std::uint64_t bytes = 0;  ///< stops after the batch in which keys and values exceed this
};
struct SliceResult {
  ScanResult sum;
  std::optional<Bytes> next;  ///< key of the first row not included; nullopt at the end
};
/// Hash and stats of the first rows within the bounds, on the calling thread; `cancelled` once
/// `stop` is requested.
Result<SliceResult> scan_slice(const CursorFactory& cursors, const rocks::Bounds& bounds,
                               const SliceLimit& limit, std::stop_token stop);

/// The same for a database as it is on disk, without buffers.
Result<ScanResult> scan_snapshot(const std::shared_ptr<const rocks::PinnedDatabase>& snapshot,
                                 const ScanOptions& options);

}  // namespace flatkv::scan

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/error.hpp"
#include "codec/local_meta.hpp"
#include "engine/cursor.hpp"
#include "engine/snapshot.hpp"
#include "flatkv/lthash.hpp"
#include "lthash/batch.hpp"

// Streaming scans of one database from end to end, on several threads (spec §9, §8 step 3).
namespace flatkv::scan {

/// Makes a cursor over the rows within the bounds. Called from several threads at once; all cursors
/// must show the same state. A snapshot's cursor does, and so does a merged one over fixed layers.
using CursorFactory = std::function<std::unique_ptr<engine::Cursor>(const engine::Bounds&)>;

struct ScanOptions {
  unsigned threads = 0;                       ///< 0: one per core; the caller's is one of them
  std::uint64_t rows_per_second = 0;          ///< of all threads together; 0: no limit
  const std::atomic<bool>* cancel = nullptr;  ///< looked at with each batch of at most 1024 rows
  /// Rows seen so far; never called twice at once, from any of the threads, now and then and at the
  /// end. The number never falls.
  std::function<void(std::uint64_t rows)> progress;
  engine::Bounds bounds;  ///< only rows within; default all
  /// Called by a thread before the first batch of a range. Until it is called again, that thread's
  /// batches follow one another: no row lies between the last of one and the first of the next.
  std::function<void(unsigned thread)> range_begins;
};

/// Threads that a scan with these options uses.
unsigned thread_count(const ScanOptions& options) noexcept;

/// Gets rows as {key, nothing, value}, ascending within one call, valid for the call. `thread` is
/// below `thread_count`, and no two calls at once have the same.
using Visitor = std::function<Status(unsigned thread, std::span<const lthash::RowChange> rows)>;

/// Shows every row once to `visit`, in no order between calls. Work is divided while it goes on,
/// whatever the keys look like. Memory: about 1 MiB a thread, or the largest value where that is
/// more. Stops at the first error: of a cursor (its status is asked at its end, trap 32), of
/// `visit`, `corruption` where keys do not ascend, or `cancelled`.
Status scan_batches(const CursorFactory& cursors, const ScanOptions& options, const Visitor& visit);

struct ScanResult {
  LtHash hash;         ///< sum of the elements of all rows
  codec::Stats stats;  ///< rows and bytes; its version is 0, as a scan does not know it
};

/// Hash and stats of all rows.
Result<ScanResult> scan_rows(const CursorFactory& cursors, const ScanOptions& options);

/// The same of a database as it is on disk, without buffers.
Result<ScanResult> scan_snapshot(const std::shared_ptr<const engine::Snapshot>& snapshot,
                                 const ScanOptions& options);

}  // namespace flatkv::scan

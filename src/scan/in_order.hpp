// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>

#include "base/error.hpp"
#include "scan/row_buffer.hpp"
#include "scan/scan.hpp"

namespace flatkv::scan {

/// About how much one thread reads at a time.
inline constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;

struct InOrderOptions {
  unsigned threads = 0;  ///< 0: one per core; includes the caller's
  /// About what all keys and values come to; need not be right, but little has few threads.
  std::uint64_t bytes = 0;
  std::stop_token stop;
  std::uint64_t piece_bytes = kPieceBytes;
};

/// Receives the next rows, ascending, on the calling thread.
using TakeRows = std::function<Status(const RowBuffer& rows)>;

/// Shows every row once and in key order, while other threads read those that come next. Memory:
/// about three pieces a thread, each of `piece_bytes` and a row. Stops at the first error in this
/// order: of a cursor, of `take`, `corruption` if keys do not ascend, or `cancelled`.
Status scan_in_order(const CursorFactory& cursors, const InOrderOptions& options,
                     const TakeRows& take);

}  // namespace flatkv::scan

// SPDX-License-Identifier: Apache-2.0
#include "scan/scan.hpp"

#include <algorithm>
#include <chrono>
#include <stop_token>
#include <system_error>
#include <thread>
#include <vector>

#include "base/bytes.hpp"
#include "base/guard.hpp"
#include "base/machine.hpp"
#include "base/thread_name.hpp"
#include "scan/ranges.hpp"

namespace flatkv::scan {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatchRows = 1024;
constexpr std::size_t kBatchBytes = 512U << 10;
// A part that is given away must be worth a cursor and a few seeks.
constexpr std::size_t kRowsBetweenSplits = 8192;
constexpr std::size_t kRowsWorthGiving = 512;
constexpr std::uint64_t kProgressRows = 1U << 16;
constexpr auto kNap = std::chrono::milliseconds(20);

/// Copies of rows, because a cursor's bytes are invalid once it moves.
class Batch {
 public:
  Batch() { bytes_.reserve(kBatchBytes); }

  bool fits(ByteView key, ByteView value) const {
    return bytes_.size() + key.size() + value.size() <= kBatchBytes;
  }
  void copy(ByteView key, ByteView value) {
    append(bytes_, key);
    append(bytes_, value);
    // These bytes never move: the capacity was reserved.
    const ByteView row = ByteView(bytes_).last(key.size() + value.size());
    borrow(row.first(key.size()), row.subspan(key.size()));
  }
  void borrow(ByteView key, ByteView value) { rows_.push_back({key, {}, value}); }
  void clear() {
    bytes_.clear();
    rows_.clear();
  }
  bool empty() const { return rows_.empty(); }
  std::span<const lthash::RowChange> rows() const { return rows_; }

 private:
  Bytes bytes_;
  std::vector<lthash::RowChange> rows_;
};

/// What all threads of one scan share.
class Scan {
 public:
  Scan(const CursorFactory& cursors, const ScanOptions& options, const Visitor& visit)
      : cursors_(cursors), options_(options), visit_(visit), ranges_(options.bounds) {
    const std::uint64_t threads = thread_count(options);
    if (options.rows_per_second != 0) {
      // Small enough to keep an even rate and to notice a cancel soon.
      batch_rows_ = static_cast<std::size_t>(
          std::clamp<std::uint64_t>(options.rows_per_second / (16 * threads), 1, kBatchRows));
    }
  }

  void run(unsigned thread) {
    while (auto range = ranges_.take()) {
      // An exception of a helper's must not end the process.
      Status status = guarded([&] { return scan_range(thread, *std::move(range)); });
      if (!status) stop(std::move(status).error());
      ranges_.done();
    }
  }

  Status finish() {
    if (error_) return std::unexpected(*std::move(error_));
    if (options_.progress) options_.progress(rows_.load());
    return {};
  }

 private:
  Status scan_range(unsigned thread, rocks::Bounds range);
  Status show(unsigned thread, std::span<const lthash::RowChange> rows);
  Status pace(std::uint64_t rows) const;
  Status check_cancelled() const;

  void stop(Error error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    stopped_.store(true, std::memory_order_relaxed);
    ranges_.stop();
  }

  const CursorFactory& cursors_;
  const ScanOptions& options_;
  const Visitor& visit_;
  std::size_t batch_rows_ = kBatchRows;
  RangeQueue ranges_;
  const Clock::time_point start_ = Clock::now();
  std::atomic<std::uint64_t> rows_ = 0;
  std::atomic<bool> stopped_ = false;
  std::mutex progress_mutex_;
  std::mutex mutex_;
  std::optional<Error> error_;
};

/// One thread's walk through one range.
class Walk {
 public:
  Walk(const CursorFactory& cursors, rocks::Bounds range)
      : cursors_(cursors), upper_(range.upper), cursor_(cursors(range)) {
    cursor_->seek_to_first();
  }

  /// Fills the batch with the next rows, at least one unless the range is at its end. They are
  /// valid until the next call.
  Status fill(Batch& batch, std::size_t max_rows) {
    if (at_borrowed_) cursor_->next();
    at_borrowed_ = false;
    batch.clear();
    while (at_row() && batch.rows().size() < max_rows) {
      const ByteView key = cursor_->key();
      const ByteView value = cursor_->value();
      FLATKV_TRY(check_order(batch, key));
      if (batch.fits(key, value)) {
        batch.copy(key, value);
        cursor_->next();
        continue;
      }
      at_borrowed_ = batch.empty();  // too large to copy: lend the cursor's bytes and stay there
      if (at_borrowed_) batch.borrow(key, value);
      break;
    }
    if (batch.empty()) return cursor_->status();
    last_ = to_bytes(batch.rows().back().key);
    since_split_ += batch.rows().size();
    return {};
  }

  /// The key of the row after those of the last `fill`, which become invalid; nullopt at the end.
  Result<std::optional<Bytes>> next_key() {
    if (at_borrowed_) cursor_->next();
    at_borrowed_ = false;
    if (at_row()) return to_bytes(cursor_->key());
    FLATKV_TRY(cursor_->status());
    return std::optional<Bytes>();
  }

  /// Gives the upper part of what is left to a waiting thread, if it is large enough.
  Status share(RangeQueue& ranges) {
    if (since_split_ < next_split_ || !at_row()) return {};
    since_split_ = 0;
    next_split_ = kRowsBetweenSplits;
    FLATKV_ASSIGN(auto middle, split_point(cursors_, cursor_->key(), upper_, kRowsWorthGiving));
    if (!middle) return {};
    ranges.give({middle, std::move(upper_)});
    upper_ = std::move(middle);
    upper_moved_ = true;
    return {};
  }

 private:
  bool at_row() const {
    return cursor_->valid() && (!upper_moved_ || compare_bytes(cursor_->key(), *upper_) < 0);
  }

  /// The division of the work depends on it: rows out of order would count twice or never.
  Status check_order(const Batch& batch, ByteView key) const {
    const ByteView before = batch.empty() ? ByteView(last_) : batch.rows().back().key;
    if (before.empty() || compare_bytes(before, key) < 0) return {};
    return fail(ErrorCode::corruption, "keys do not ascend at " + to_hex(key));
  }

  const CursorFactory& cursors_;
  std::optional<Bytes> upper_;
  bool upper_moved_ = false;  // then the cursor's own bound is higher
  std::unique_ptr<rocks::Cursor> cursor_;
  bool at_borrowed_ = false;
  Bytes last_;
  std::size_t since_split_ = 0;
  std::size_t next_split_ = kBatchRows;
};

Status stopped() { return fail(ErrorCode::cancelled, "the scan was stopped"); }

void add_rows(std::span<const lthash::RowChange> rows, ScanResult& part) {
  part.stats.rows += rows.size();
  for (const lthash::RowChange& row : rows) {
    part.stats.key_bytes += row.key.size();
    part.stats.value_bytes += row.new_value.size();
  }
  lthash::accumulate(rows, part.hash);
}

Status Scan::scan_range(unsigned thread, rocks::Bounds range) {
  Walk walk(cursors_, std::move(range));
  Batch batch;
  if (options_.range_begins) options_.range_begins(thread);
  for (;;) {
    FLATKV_TRY(check_cancelled());
    FLATKV_TRY(walk.fill(batch, batch_rows_));
    if (batch.empty()) return {};
    FLATKV_TRY(show(thread, batch.rows()));
    if (ranges_.hungry()) FLATKV_TRY(walk.share(ranges_));
  }
}

Status Scan::show(unsigned thread, std::span<const lthash::RowChange> rows) {
  FLATKV_TRY(visit_(thread, rows));
  const std::uint64_t before = rows_.fetch_add(rows.size());
  const std::uint64_t after = before + rows.size();
  if (options_.progress && before / kProgressRows != after / kProgressRows) {
    const std::lock_guard lock(progress_mutex_);
    options_.progress(rows_.load());
  }
  return options_.rows_per_second == 0 ? Status{} : pace(after);
}

/// Waits until this many rows are due.
Status Scan::pace(std::uint64_t rows) const {
  const double seconds = static_cast<double>(rows) / static_cast<double>(options_.rows_per_second);
  const auto due = start_ + std::chrono::duration<double>(seconds);
  for (auto left = due - Clock::now(); left.count() > 0; left = due - Clock::now()) {
    FLATKV_TRY(check_cancelled());
    std::this_thread::sleep_for(std::min<std::chrono::duration<double>>(left, kNap));
  }
  return {};
}

Status Scan::check_cancelled() const {
  const bool asked = options_.stop.stop_requested();
  if (asked || stopped_.load(std::memory_order_relaxed)) return stopped();
  return {};
}

}  // namespace

unsigned thread_count(const ScanOptions& options) noexcept {
  if (options.threads != 0) return options.threads;
  return machine().cores;
}

Status scan_batches(const CursorFactory& cursors, const ScanOptions& options,
                    const Visitor& visit) {
  Scan scan(cursors, options, visit);
  {
    std::vector<std::jthread> helpers;
    try {
      for (unsigned thread = 1; thread < thread_count(options); ++thread) {
        helpers.emplace_back([&scan, thread] {
          name_thread("flatkv-scan");
          scan.run(thread);
        });
      }
    } catch (const std::system_error&) {
      // The system gives no more threads; those that exist do the work.
    }
    scan.run(0);
  }
  return scan.finish();
}

Result<ScanResult> scan_rows(const CursorFactory& cursors, const ScanOptions& options) {
  std::vector<ScanResult> parts(thread_count(options));
  FLATKV_TRY(scan_batches(cursors, options,
                          [&](unsigned thread, std::span<const lthash::RowChange> rows) -> Status {
                            add_rows(rows, parts[thread]);
                            return {};
                          }));
  ScanResult all;
  for (const ScanResult& part : parts) {
    all.hash += part.hash;
    all.stats.rows += part.stats.rows;
    all.stats.key_bytes += part.stats.key_bytes;
    all.stats.value_bytes += part.stats.value_bytes;
  }
  return all;
}

Result<SliceResult> scan_slice(const CursorFactory& cursors, const rocks::Bounds& bounds,
                               const SliceLimit& limit, std::stop_token stop) {
  SliceResult slice;
  const DatabaseStats& done = slice.sum.stats;
  Walk walk(cursors, bounds);
  Batch batch;
  while (done.rows < limit.rows && done.key_bytes + done.value_bytes <= limit.bytes) {
    if (stop.stop_requested()) {
      FLATKV_TRY(stopped());
    }
    FLATKV_TRY(walk.fill(batch, static_cast<std::size_t>(
                                    std::min<std::uint64_t>(kBatchRows, limit.rows - done.rows))));
    if (batch.empty()) return slice;
    add_rows(batch.rows(), slice.sum);
  }
  FLATKV_ASSIGN(slice.next, walk.next_key());
  return slice;
}

Result<ScanResult> scan_snapshot(const std::shared_ptr<const rocks::PinnedDatabase>& snapshot,
                                 const ScanOptions& options) {
  return scan_rows(
      [&](const rocks::Bounds& bounds) { return snapshot->cursor(bounds, rocks::kScanReadahead); },
      options);
}

}  // namespace flatkv::scan

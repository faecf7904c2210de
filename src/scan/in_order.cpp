// SPDX-License-Identifier: Apache-2.0
// The keys are cut into pieces as the scan goes. How wide the next one is follows from how dense
// the last ones were: what one thread reads at a time stays about the same for any distribution of
// keys, and the pieces that are read at once lie close together.
#include "scan/in_order.hpp"

#include <algorithm>
#include <condition_variable>
#include <limits>
#include <list>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/guard.hpp"
#include "base/thread_name.hpp"
#include "scan/key_space.hpp"

namespace flatkv::scan {
namespace {

constexpr std::uint64_t kMostWider = 256;
constexpr std::size_t kRowsBetweenLooks = 1024;

struct Piece {
  enum class Is { waiting, being_read, read };

  rocks::Bounds keys;
  Is is = Is::waiting;
  RowBuffer rows;
  Status status;
};

class InOrder {
 public:
  InOrder(const CursorFactory& cursors, const InOrderOptions& options, unsigned threads)
      : cursors_(cursors),
        options_(options),
        most_ahead_(std::size_t{2} * threads),
        width_(KeyDistance::one_of(pieces_in(options))) {
    pieces_.emplace_back();
  }

  /// As far as the caller knows.
  static std::uint32_t pieces_in(const InOrderOptions& options) {
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
    return static_cast<std::uint32_t>(std::min(options.bytes / options.piece_bytes, kMost - 1) + 1);
  }

  /// Reads pieces until there are none, or a stop.
  void read_ahead() {
    std::unique_lock lock(mutex_);
    while (true) {
      std::list<Piece>::iterator piece;
      changed_.wait(lock, [&] {
        piece = next();
        return stopped_ || pieces_.empty() || piece != pieces_.end();
      });
      if (stopped_ || pieces_.empty()) return;
      read(lock, piece);
    }
  }

  Status run(const TakeRows& take) {
    std::unique_lock lock(mutex_);
    while (!pieces_.empty()) {
      const auto first = pieces_.begin();
      if (first->is == Piece::Is::read) {
        lock.unlock();
        FLATKV_TRY(first->status);
        if (!first->rows.empty()) FLATKV_TRY(in_order(first->rows));
        if (!first->rows.empty()) FLATKV_TRY(take(first->rows));
        first->rows.clear();
        lock.lock();
        spare_.push_back(std::move(first->rows));
        --ahead_;
        pieces_.pop_front();
        changed_.notify_all();
      } else if (const auto piece = next(); piece != pieces_.end()) {
        read(lock, piece);
      } else {
        changed_.wait(lock);
      }
    }
    return {};
  }

  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }

 private:
  /// The first piece that waits, if it may be read now. The very first always may, so that the scan
  /// goes on whatever else is in memory.
  std::list<Piece>::iterator next() {
    const auto waits = [](const Piece& piece) { return piece.is == Piece::Is::waiting; };
    const auto found = std::ranges::find_if(pieces_, waits);
    return found == pieces_.begin() || ahead_ < most_ahead_ ? found : pieces_.end();
  }

  /// Cuts a piece of the present width off, and reads it without the lock. Never throws: what fails
  /// is the piece's status, since a part of the keys that no piece has would be rows that are lost.
  void read(std::unique_lock<std::mutex>& lock, std::list<Piece>::iterator piece) {
    piece->status = guarded([&]() -> Status {
      narrow(piece);
      return {};
    });
    piece->is = Piece::Is::being_read;
    ++ahead_;
    if (!spare_.empty()) {
      piece->rows = std::move(spare_.back());
      spare_.pop_back();
    }
    changed_.notify_all();
    std::optional<Bytes> rest;
    lock.unlock();
    if (piece->status) piece->status = guarded([&] { return fill(*piece, rest); });
    lock.lock();
    widen(*piece, rest);
    if (rest) {
      Status divided = guarded([&]() -> Status {
        insert_after(piece, *std::move(rest));
        return {};
      });
      if (!divided) piece->status = std::move(divided);
    }
    piece->is = Piece::Is::read;
    changed_.notify_all();
  }

  void narrow(std::list<Piece>::iterator piece) {
    const KeyDistance low = piece->keys.lower ? KeyDistance(*piece->keys.lower) : KeyDistance();
    const auto cut = low + width_;
    if (!cut) return;
    Bytes key = cut->key();
    if (piece->keys.upper && compare_bytes(key, *piece->keys.upper) >= 0) return;
    insert_after(piece, std::move(key));
  }
  /// Either all of it happens, or an exception is thrown and nothing does.
  void insert_after(std::list<Piece>::iterator piece, Bytes from) {
    Piece upper;
    upper.keys.lower = from;
    const auto inserted = pieces_.insert(std::next(piece), std::move(upper));
    inserted->keys.upper = std::move(piece->keys.upper);
    piece->keys.upper = std::move(from);
  }

  /// From what a piece held, how wide the next ones should be. `rest`: where it was full.
  void widen(const Piece& piece, const std::optional<Bytes>& rest) {
    const std::optional<Bytes>& end = rest ? rest : piece.keys.upper;
    if (!end) return;  // the last one
    const KeyDistance low = piece.keys.lower ? KeyDistance(*piece.keys.lower) : KeyDistance();
    const KeyDistance seen = KeyDistance(*end) - low;
    const std::uint64_t bytes = piece.rows.bytes();
    const std::uint64_t wider = bytes == 0 ? kMostWider : options_.piece_bytes / bytes;
    width_ =
        seen.times(static_cast<std::uint32_t>(std::clamp<std::uint64_t>(wider, 1, kMostWider)));
    if (width_.is_zero()) width_ = width_.over(1);
  }

  Status fill(Piece& piece, std::optional<Bytes>& rest) {
    const auto cursor = cursors_(piece.keys);
    for (cursor->seek_to_first(); cursor->valid(); cursor->next()) {
      if (piece.rows.bytes() >= options_.piece_bytes) {
        rest = to_bytes(cursor->key());
        return {};
      }
      if (piece.rows.size() % kRowsBetweenLooks == 0 && options_.stop.stop_requested()) {
        return fail(ErrorCode::cancelled, "the scan was stopped");
      }
      piece.rows.add(cursor->key(), cursor->value());
    }
    return cursor->status();
  }

  /// The division of the work depends on it: rows out of order would count twice or never.
  Status in_order(const RowBuffer& rows) {
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const ByteView key = rows.key(row);
      const ByteView before = row == 0 ? ByteView(last_) : rows.key(row - 1);
      if ((row != 0 || any_) && compare_bytes(before, key) >= 0) {
        return fail(ErrorCode::corruption, "keys do not ascend at " + to_hex(key));
      }
    }
    last_ = to_bytes(rows.key(rows.size() - 1));
    any_ = true;
    return {};
  }

  const CursorFactory& cursors_;
  const InOrderOptions& options_;
  const std::size_t most_ahead_;
  std::mutex mutex_;  // of all below but a piece that is being read
  std::condition_variable changed_;
  std::list<Piece> pieces_;
  std::size_t ahead_ = 0;  ///< pieces that are read, or being read
  KeyDistance width_;
  std::vector<RowBuffer> spare_;
  bool stopped_ = false;
  Bytes last_;  ///< key shown, if any was; the caller's alone
  bool any_ = false;
};

}  // namespace

Status scan_in_order(const CursorFactory& cursors, const InOrderOptions& options,
                     const TakeRows& take) {
  ScanOptions same;
  same.threads = options.threads;
  // A thread is not worth it for less than a piece.
  const unsigned threads = std::min(thread_count(same), InOrder::pieces_in(options));
  InOrder scan(cursors, options, threads);
  std::vector<std::jthread> helpers;
  const auto run = [&]() -> Status {
    try {
      for (unsigned thread = 1; thread < threads; ++thread) {
        helpers.emplace_back([&scan] {
          name_thread("flatkv-scan");
          scan.read_ahead();
        });
      }
    } catch (const std::system_error&) {
      // The system gives no more threads; those that exist do the work.
    }
    return scan.run(take);
  };
  const Status done = guarded(run);
  scan.stop();  // before the helpers are waited for
  return done;
}

}  // namespace flatkv::scan

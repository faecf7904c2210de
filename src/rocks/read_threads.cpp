// SPDX-License-Identifier: Apache-2.0
#include "rocks/read_threads.hpp"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <utility>

#include "base/assert.hpp"
#include "base/fork.hpp"
#include "base/thread_name.hpp"

namespace flatkv::rocks {
namespace {

/// Keys that a call reads before it looks again whether help is worth it: few at first, later as
/// many as RocksDB is asked for at a time.
constexpr std::size_t kFirstAlone = 32;
constexpr std::size_t kMostAlone = 256;
/// The most keys that a thread reads before it delivers them: as many as RocksDB looks up together.
constexpr std::size_t kMostInPiece = 32;
/// Keys from which on another core is worth having although no read waits: a millisecond of reads.
constexpr std::size_t kManyKeys = 1024;
/// Values that the call has not taken yet; beyond this nothing more is read for it.
constexpr std::size_t kMostUntaken = std::size_t{8} << 20;
/// Room for values that a piece keeps for the next keys.
constexpr std::size_t kMostSpare = std::size_t{64} << 10;

/// Tests can set, for a whole process, how many reads are in flight whatever the options say, and
/// that each call has all the help that it may have from its first key on.
std::optional<std::uint32_t> forced() {
#ifdef FLATKV_FAILPOINTS
  static const char* const text = std::getenv("FLATKV_TEST_READS_IN_FLIGHT");
  if (text != nullptr) return static_cast<std::uint32_t>(std::stoul(text));
#endif
  return std::nullopt;
}

}  // namespace

/// Keys that one thread reads, and copies of their values.
struct ReadThreads::Piece {
  struct Value {
    std::size_t key = 0;
    std::size_t offset = 0;
    std::optional<std::size_t> bytes;  ///< nothing: absent
  };
  std::vector<Value> values;
  Bytes text;

  void clear() noexcept {
    values.clear();
    text.clear();
  }
  void add(std::size_t key, std::optional<ByteView> value) {
    values.push_back({key, text.size(), std::nullopt});
    if (!value) return;
    text.insert(text.end(), value->begin(), value->end());
    values.back().bytes = value->size();
  }
  std::optional<ByteView> view(const Value& value) const {
    if (!value.bytes) return std::nullopt;
    return ByteView(text).subspan(value.offset, *value.bytes);
  }
};

/// One call of multi_get while it is helped. On the stack of its thread.
struct ReadThreads::Call {
  const PinnedDatabase& database;
  std::span<const ByteView> keys;
  PinnedDatabase::AtOnce at_once;
  std::size_t helpers;  ///< the most threads that read for it
  std::size_t own;      ///< the most keys that the calling thread reads at a time beside them

  std::size_t next;  ///< the first key that nobody reads yet
  std::size_t running = 0;
  std::size_t untaken = 0;  ///< bytes in `finished`
  std::vector<std::unique_ptr<Piece>> finished{};
  std::condition_variable changed{};
  std::size_t failed_at = 0;
  std::optional<Error> error{};
  std::exception_ptr thrown{};

  bool has_keys() const noexcept { return next < keys.size() && !error && !thrown; }
  bool wants_help() const noexcept {
    return has_keys() && running < helpers && untaken < kMostUntaken;
  }
  std::span<const ByteView> take(std::size_t count) {
    return keys.subspan(std::exchange(next, next + count), count);
  }
  std::size_t index_of(std::span<const ByteView> part) const {
    return static_cast<std::size_t>(part.data() - keys.data());
  }
  /// Keys are taken in ascending order, so all below the lowest that failed have been read.
  void failed(std::size_t at, Error&& why) {
    if (error && failed_at < at) return;
    failed_at = at;
    error = std::move(why);
  }
};

/// A call among those that get help, until it is destroyed: then no thread uses the call any more.
class ReadThreads::Share {
 public:
  Share(ReadThreads& threads, Call& call) : threads_(threads), call_(call), lock_(threads.mutex_) {
    threads_.start(call.helpers);
    threads_.calls_.push_back(&call);
    for (std::size_t i = 0; i < call.helpers; ++i) threads_.wake_.notify_one();
  }
  ~Share() {
    if (!lock_.owns_lock()) lock_.lock();
    call_.next = call_.keys.size();
    call_.changed.wait(lock_, [&] { return call_.running == 0; });
    std::erase(threads_.calls_, &call_);
  }
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;

  std::unique_lock<std::mutex>& lock() noexcept { return lock_; }

 private:
  ReadThreads& threads_;
  Call& call_;
  std::unique_lock<std::mutex> lock_;
};

ReadThreads::ReadThreads(std::uint32_t in_flight) : in_flight_(forced().value_or(in_flight)) {
  FLATKV_ASSERT(in_flight_ >= 1);
  spare_.reserve(in_flight_);
}

ReadThreads::~ReadThreads() { stop(); }

std::size_t ReadThreads::threads() const {
  const std::lock_guard lock(mutex_);
  return threads_.size();
}

void ReadThreads::stop() noexcept {
  std::vector<std::jthread> ending;  // joined under no lock
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    ending.swap(threads_);
  }
  wake_.notify_all();
}

/// Call it under the lock.
void ReadThreads::start(std::size_t threads) noexcept {
  try {
    while (!stopped_ && threads_.size() < threads) threads_.emplace_back([this] { run(); });
  } catch (...) {
    return;  // the system gives none: those that are there do, and the call reads itself
  }
}

Status ReadThreads::multi_get(const PinnedDatabase& database, std::span<const ByteView> keys,
                              PinnedDatabase::AtOnce at_once, const PinnedDatabase::Visit& visit,
                              std::size_t cores) {
  keys_.fetch_add(keys.size(), std::memory_order_relaxed);
  // Values that may be huge are not held in memory together.
  if (keys.size() <= 1 || at_once == PinnedDatabase::AtOnce::one || in_flight_ == 1 ||
      is_forked()) {
    return database.multi_get(keys, at_once, visit);
  }
  std::size_t from = 0;
  for (std::size_t step = kFirstAlone; from < keys.size();) {
    const std::size_t left = keys.size() - from;
    const std::size_t worth = forced() ? left : pace_.more_threads(left);
    const std::size_t other_cores = left < kManyKeys ? 0 : cores - 1;
    const std::size_t helpers =
        std::min({std::max(worth, other_cores), left - 1, std::size_t{in_flight_} - 1});
    if (helpers > 0) {
      // Where reads wait the calling thread reads a single key, so that it soon looks at what has
      // arrived.
      Call call{.database = database,
                .keys = keys,
                .at_once = at_once,
                .helpers = helpers,
                .own = worth > 0 ? 1 : kMostInPiece,
                .next = from};
      return read_with_help(call, visit);
    }
    const std::size_t count = std::min(step, left);
    const ReadPace::Watch watch;
    FLATKV_TRY(database.multi_get(
        keys.subspan(from, count), at_once,
        [&](std::size_t i, std::optional<ByteView> value) { visit(from + i, value); }));
    pace_.took(count, watch.waited());
    from += count;
    step = std::min(2 * step, kMostAlone);
  }
  return {};
}

Status ReadThreads::read_with_help(Call& call, const PinnedDatabase::Visit& visit) {
  {
    Share share(*this, call);
    auto& lock = share.lock();
    for (;;) {
      if (!call.finished.empty()) {
        deliver(call, lock, visit);
      } else if (call.has_keys()) {
        read_own(call, lock, visit);
      } else if (call.running > 0) {
        call.changed.wait(lock);
      } else {
        break;
      }
    }
  }
  if (call.thrown) std::rethrow_exception(call.thrown);
  if (call.error) return std::unexpected(*std::move(call.error));
  return {};
}

/// Shows what has arrived. Releases the lock meanwhile.
void ReadThreads::deliver(Call& call, std::unique_lock<std::mutex>& lock,
                          const PinnedDatabase::Visit& visit) {
  auto pieces = std::exchange(call.finished, {});
  const bool was_full = std::exchange(call.untaken, 0) >= kMostUntaken;
  lock.unlock();
  if (was_full) wake_.notify_all();
  for (const auto& piece : pieces) {
    for (const Piece::Value& value : piece->values) {
      visit(value.key, piece->view(value));
    }
    piece->clear();
  }
  lock.lock();
  for (auto& piece : pieces) {
    // One with large values must not keep their memory.
    const bool small = piece->text.capacity() <= kMostSpare;
    if (small && spare_.size() < in_flight_) spare_.push_back(std::move(piece));
  }
}

/// The calling thread reads a few keys; many where there is no thread from which anything could
/// arrive.
void ReadThreads::read_own(Call& call, std::unique_lock<std::mutex>& lock,
                           const PinnedDatabase::Visit& visit) {
  const std::size_t most = threads_.empty() ? kMostAlone : call.own;
  const auto part = call.take(std::min(most, call.keys.size() - call.next));
  const std::size_t at = call.index_of(part);
  lock.unlock();
  const ReadPace::Watch watch;
  Status done = call.database.multi_get(
      part, call.at_once,
      [&](std::size_t i, std::optional<ByteView> value) { visit(at + i, value); });
  pace_.took(part.size(), watch.waited());
  lock.lock();
  if (!done) call.failed(at, std::move(done).error());
}

/// The call that is helped next: each in turn, one piece at a time.
ReadThreads::Call* ReadThreads::next_call() {
  const auto found = std::ranges::find_if(calls_, [](const Call* c) { return c->wants_help(); });
  if (found == calls_.end()) return nullptr;
  Call* const call = *found;
  std::rotate(found, found + 1, calls_.end());
  return call;
}

/// Reads some keys of a call. Releases the lock meanwhile.
void ReadThreads::read_piece(Call& call, std::unique_lock<std::mutex>& lock) {
  // Smaller towards the end, so that all end at the same time.
  const std::size_t left = call.keys.size() - call.next;
  const std::size_t fair = left / (2 * (call.helpers + 1));
  const auto part = call.take(std::clamp<std::size_t>(fair, 1, kMostInPiece));
  const std::size_t at = call.index_of(part);
  ++call.running;
  std::unique_ptr<Piece> piece;
  if (!spare_.empty()) {
    piece = std::move(spare_.back());
    spare_.pop_back();
  }
  lock.unlock();
  Status done;
  std::exception_ptr thrown;
  try {
    if (!piece) piece = std::make_unique<Piece>();
    const ReadPace::Watch watch;
    done = call.database.multi_get(
        part, call.at_once,
        [&](std::size_t i, std::optional<ByteView> value) { piece->add(at + i, value); });
    pace_.took(part.size(), watch.waited());
  } catch (...) {
    thrown = std::current_exception();
  }
  lock.lock();
  --call.running;
  if (!thrown && done) {
    try {
      call.untaken += piece->text.size();
      call.finished.push_back(std::move(piece));
    } catch (...) {
      thrown = std::current_exception();
    }
  }
  if (!done) call.failed(at, std::move(done).error());
  if (thrown) call.thrown = thrown;
  call.changed.notify_one();
}

void ReadThreads::run() {
  name_thread("flatkv-read");
  reads_wait() = true;  // otherwise it would not be asked
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    if (Call* const call = next_call()) {
      read_piece(*call, lock);
    } else {
      wake_.wait(lock);
    }
  }
}

}  // namespace flatkv::rocks

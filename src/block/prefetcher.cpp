// SPDX-License-Identifier: Apache-2.0
#include "block/prefetcher.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "base/guard.hpp"
#include "block/row_lookup.hpp"

namespace flatkv::block {
namespace {

/// Rows that are read together: enough for all reads that may be in flight, few enough that a block
/// that waits for one of them goes on soon.
constexpr std::size_t kLeastBatch = 32;
constexpr std::size_t kMostBatch = 512;
constexpr std::size_t kBatchOfEachRead = 16;

/// Rows that are asked for under one lock: a block may want it in between.
constexpr std::size_t kAskedAtOnce = 1024;

/// As how many rows a row counts while it waits: long keys take their memory.
std::size_t weight(ByteView key) { return 1 + key.size() / 256; }

std::uint64_t place_of(Database database, std::uint64_t hash) {
  return hash ^ (static_cast<std::uint64_t>(database) * 0x9e37'79b9'7f4a'7c15U);
}

}  // namespace

Prefetcher::Prefetcher(memtable::RowCache* cache, AbsentKeyFilter& absent, std::size_t most_rows,
                       std::uint32_t in_flight, FindState published)
    : cache_(cache),
      absent_(absent),
      most_rows_(most_rows),
      batch_(std::clamp(kBatchOfEachRead * in_flight, kLeastBatch, kMostBatch)),
      published_(std::move(published)) {}

Prefetcher::~Prefetcher() { stop(); }

void Prefetcher::ask(std::span<const Row> rows) noexcept {
  while (!rows.empty()) {
    const std::size_t some = std::min(kAskedAtOnce, rows.size());
    ask_some(rows.first(some));
    rows = rows.subspan(some);
  }
}

void Prefetcher::ask_some(std::span<const Row> rows) noexcept {
  const std::lock_guard lock(mutex_);
  const bool works = cache_ != nullptr && !worker_.stopping() && start();
  for (const Row& row : rows) {
    ++counters_.asked;
    if (!works || waiting_ >= most_rows_) {
      ++counters_.dropped;
      continue;
    }
    try {
      add(row);
    } catch (const std::bad_alloc&) {
      ++counters_.dropped;
    }
  }
  open_.store(phases_.size(), std::memory_order_release);
  asked_.notify_one();
}

/// Call it under the lock. If it throws, nothing has changed.
void Prefetcher::add(const Row& row) {
  queue_.push_back({row.database, row.hash, Bytes(row.key.begin(), row.key.end())});
  try {
    if (phases_.try_emplace(place_of(row.database, row.hash), Phase::waiting).second) {
      waiting_ += weight(row.key);
      return;
    }
  } catch (...) {
    queue_.pop_back();
    throw;
  }
  queue_.pop_back();
  ++counters_.hit;
}

/// Whether there is a thread. Call it under the lock.
bool Prefetcher::start() noexcept {
  if (worker_.started()) return true;
  try {
    worker_.start("flatkv-prefetch", [this](const std::stop_token& stop) { run(stop); });
    return true;
  } catch (...) {  // the system gives none; a later call tries again
    return false;
  }
}

std::optional<std::uint64_t> Prefetcher::take(Database database, std::uint64_t hash) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = phases_.find(place_of(database, hash));
  if (found == phases_.end()) return std::nullopt;
  if (found->second == Phase::reading) return batches_;
  phases_.erase(found);
  ++counters_.dropped;
  open_.store(phases_.size(), std::memory_order_release);
  return std::nullopt;
}

void Prefetcher::wait(std::uint64_t batch) noexcept {
  std::unique_lock lock(mutex_);
  read_.wait(lock, [&] { return batches_ > batch; });
}

void Prefetcher::stop() noexcept {
  worker_.request_stop();
  {
    const std::lock_guard lock(mutex_);
  }  // from here on nobody starts the thread
  worker_.stop();
  drop_waiting();
}

void Prefetcher::drop_waiting() noexcept {
  const std::lock_guard lock(mutex_);
  counters_.dropped += phases_.size();
  phases_.clear();
  queue_.clear();
  waiting_ = 0;
  open_.store(0, std::memory_order_release);
}

PrefetchMetrics Prefetcher::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

/// The rows that have waited longest. Call it under the lock.
void Prefetcher::take_batch(std::vector<Waiting>& batch) {
  batch.reserve(batch_);
  while (!queue_.empty() && batch.size() < batch_) {
    Waiting& next = queue_.front();
    waiting_ -= weight(next.key);
    const auto phase = phases_.find(place_of(next.database, next.hash));
    if (phase != phases_.end() && phase->second == Phase::waiting) {
      phase->second = Phase::reading;
      batch.push_back(std::move(next));
    }
    queue_.pop_front();
  }
}

PrefetchMetrics Prefetcher::read(std::span<const Waiting> batch) const noexcept {
  PrefetchMetrics done;
  const Status read = guarded([&]() -> Status {
    PerDataDatabase<std::vector<BlockRow>> tables;
    for (const Waiting& row : batch) {
      BlockRow& into = tables[row.database].emplace_back();
      into.key = row.key;
      into.hash = row.hash;
    }
    const auto state = published_();
    RowLookup lookup(cache_, &absent_);
    memory::Arena arena;
    for (const Database database : kDataDatabases) {
      auto& rows = tables[database];
      if (rows.empty()) continue;
      FLATKV_TRY(lookup.read({*state}, database, rows, &arena, Keep::in_cache, Values::in_place,
                             [&](const BlockRow&, bool) { arena.clear(); }));
      done.loaded += lookup.last_from_tables();
      done.hit += rows.size() - lookup.last_from_tables();
    }
    return {};
  });
  // Whoever needs such a row meets the error, too, and reports it.
  if (!read) done.dropped = batch.size() - done.loaded - done.hit;
  return done;
}

void Prefetcher::run(const std::stop_token& stop) noexcept {
  std::vector<Waiting> batch;
  std::unique_lock lock(mutex_);
  while (asked_.wait(lock, stop, [&] { return !queue_.empty(); }) && !stop.stop_requested()) {
    try {
      take_batch(batch);
    } catch (const std::bad_alloc&) {
      lock.unlock();
      drop_waiting();
      lock.lock();
      continue;
    }
    lock.unlock();
    const PrefetchMetrics done = read(batch);
    lock.lock();
    done_.store(++batches_, std::memory_order_release);
    for (const Waiting& row : batch) phases_.erase(place_of(row.database, row.hash));
    batch.clear();
    open_.store(phases_.size(), std::memory_order_release);
    counters_.loaded += done.loaded;
    counters_.hit += done.hit;
    counters_.dropped += done.dropped;
    read_.notify_all();
  }
}

}  // namespace flatkv::block

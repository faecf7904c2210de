// SPDX-License-Identifier: Apache-2.0
#include "block/absent_key_filter.hpp"

#include <algorithm>
#include <chrono>
#include <new>
#include <system_error>
#include <utility>

#include "base/failpoint.hpp"
#include "base/guard.hpp"

namespace flatkv::block {
namespace {

/// A scan costs a microsecond a row, a lookup in vain one or two. So after lookups in vain for a
/// sixteenth of the rows, a scan pays off if the chain goes on creating rows.
constexpr std::uint64_t kRowsPerMiss = 16;
constexpr std::uint64_t kFewestMisses = 1000;
constexpr std::uint64_t kFirstKeys = std::uint64_t{1} << 18;
/// Rows between two pauses. A pause is as long as reading these rows took, so that the scan takes
/// half of a core.
constexpr std::uint64_t kSliceRows = 4096;

bool holds_nothing(const state::DbState& database) {
  return database.stats.rows == 0 && database.active->keys() == 0 && database.frozen.empty();
}

}  // namespace

AbsentKeyFilter::AbsentKeyFilter(std::uint64_t most_bytes, const Logger& logger)
    : most_bytes_(most_bytes), logger_(logger) {
  if (most_bytes == 0) {
    for (Keys& keys : keys_) keys.phase = Phase::off;
  }
}

AbsentKeyFilter::~AbsentKeyFilter() { stop(); }

std::shared_ptr<const AbsentKeyFilter::Filters> AbsentKeyFilter::answers(
    Database database, memtable::Stamp stamp) const {
  const Keys& keys = keys_[database];
  const std::lock_guard lock(keys.mutex);
  if (!keys.ready || keys.filters->from_ > stamp) return nullptr;
  return keys.filters;
}

void AbsentKeyFilter::asked_in_vain(Database database, std::uint64_t count) noexcept {
  keys_[database].in_vain += count;
}

std::shared_ptr<memory::BloomFilter> AbsentKeyFilter::append(Keys& keys, std::uint64_t count) {
  const std::uint64_t bytes = memory::BloomFilter::memory_for(count);
  if (memory_ + bytes > most_bytes_) {
    end(keys);
    return nullptr;
  }
  try {
    auto filter = std::make_shared<memory::BloomFilter>(count);
    auto next =
        keys.filters ? std::make_shared<Filters>(*keys.filters) : std::make_shared<Filters>();
    next->from_ = keys.from;
    next->all_.push_back(filter);
    memory_ += bytes;
    keys.bytes += bytes;
    const std::lock_guard lock(keys.mutex);
    keys.filters = std::move(next);
    return filter;
  } catch (const std::bad_alloc&) {  // the store works without it
    end(keys);
    return nullptr;
  }
}

/// A scan or a lookup under way may keep filters for a moment.
void AbsentKeyFilter::end(Keys& keys) {
  keys.phase = Phase::off;
  memory_ -= std::exchange(keys.bytes, 0);
  const std::lock_guard lock(keys.mutex);
  keys.ready = false;
  keys.filters.reset();
}

void AbsentKeyFilter::add(const PerDataDatabase<BlockRows>& tables) {
  for (const Database database : kDataDatabases) {
    Keys& keys = keys_[database];
    if (keys.phase != Phase::collecting) continue;
    if (keys.failed) {
      end(keys);
      continue;
    }
    // Only this thread replaces the list, so it reads it without the lock.
    memory::BloomFilter* last = keys.filters->all_.back().get();
    for (const BlockRow& row : tables[database].rows) {
      if (row.had_old || !row.has_value) continue;
      if (keys.room == 0) {
        const std::uint64_t more = std::max(kFirstKeys, keys.keys);
        last = append(keys, more).get();
        if (last == nullptr) break;
        keys.room = more;
      }
      last->add(row.hash);
      --keys.room;
      ++keys.keys;
    }
  }
}

void AbsentKeyFilter::reached(const std::shared_ptr<const state::State>& state) {
  for (const Database database : kDataDatabases) {
    const Keys& keys = keys_[database];
    if (keys.phase != Phase::idle) continue;
    const std::uint64_t rows = state->of(database).stats.rows;
    const bool due = holds_nothing(state->of(database)) ||
                     keys.in_vain >= std::max(kFewestMisses, rows / kRowsPerMiss);
    if (due) begin(database, state);
  }
}

void AbsentKeyFilter::begin(Database database, const std::shared_ptr<const state::State>& state) {
  Keys& keys = keys_[database];
  keys.phase = Phase::collecting;
  keys.keys = state->of(database).stats.rows;
  keys.from = state->stamp;
  auto base = append(keys, keys.keys);
  if (!base) return;
  if (holds_nothing(state->of(database))) {
    const std::lock_guard lock(keys.mutex);
    keys.ready = true;
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    if (worker_.stopping()) return;
    const state::DbState& own = state->of(database);
    Scan scan{database, std::move(base), {own.active}, own.snapshot};
    scan.buffers.insert(scan.buffers.end(), own.frozen.begin(), own.frozen.end());
    queue_.push_back(std::move(scan));
  }
  changed_.notify_all();
  if (worker_.started()) return;
  try {
    worker_.start("flatkv-keys", [this](const std::stop_token& stop) { run(stop); });
  } catch (const std::system_error&) {
    const std::lock_guard lock(mutex_);
    queue_.clear();
    end(keys);
  }
}

void AbsentKeyFilter::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, stop, [&] { return !queue_.empty(); });
    if (stop.stop_requested()) return;
    take_buffers(lock);
    if (stop.stop_requested()) return;
    {
      const Scan scan = std::move(queue_.front());
      queue_.pop_front();
      busy_ = true;
      lock.unlock();
      Keys& keys = keys_[scan.database];
      if (const Status done = this->scan(scan, stop)) {
        const std::lock_guard ready(keys.mutex);
        keys.ready = keys.filters != nullptr;  // it may have ended meanwhile
      } else {
        keys.failed = true;
        if (!stop.stop_requested()) {
          logger_.warn_of("a filter of absent keys is off, and lookups read the tables",
                          done.error());
        }
      }
    }  // releases the pinned database before `wait` returns
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

/// Takes the keys of all queued scans' memtables at once: otherwise these memtables would stay
/// alive while a table scan runs, even another database's. Releases the lock meanwhile.
void AbsentKeyFilter::take_buffers(std::unique_lock<std::mutex>& lock) {
  const auto has_some = [](const Scan& scan) { return !scan.buffers.empty(); };
  for (auto next = std::ranges::find_if(queue_, has_some); next != queue_.end();
       next = std::ranges::find_if(queue_, has_some)) {
    const auto filter = next->filter;
    auto buffers = std::exchange(next->buffers, {});
    lock.unlock();
    for (const auto& buffer : buffers) {
      buffer->each_hash([&](std::uint64_t hash) { filter->add(hash); });
    }
    buffers.clear();
    lock.lock();
  }
}

Status AbsentKeyFilter::scan(const Scan& scan, const std::stop_token& stop) {
  using Clock = std::chrono::steady_clock;
  memory::BloomFilter& filter = *scan.filter;
  return guarded([&]() -> Status {
    const auto cursor = scan.snapshot->cursor({}, rocks::kScanReadahead);
    auto slice = Clock::now();
    std::uint64_t rows = 0;
    for (cursor->seek_to_first(); cursor->valid(); cursor->next()) {
      filter.add(memory::key_hash(cursor->key()));
      if (++rows % kSliceRows != 0) continue;
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, stop, Clock::now() - slice, [] { return false; });
      take_buffers(lock);
      if (stop.stop_requested()) return fail(ErrorCode::cancelled, "the store is closed");
      slice = Clock::now();
    }
    FLATKV_FAILPOINT("absent_key_filter.scan");
    return cursor->status();
  });
}

void AbsentKeyFilter::stop() {
  worker_.request_stop();
  {
    const std::lock_guard lock(mutex_);
    queue_.clear();
  }
  worker_.stop();
}

void AbsentKeyFilter::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, worker_.token(), [&] { return queue_.empty() && !busy_; });
}

}  // namespace flatkv::block

// SPDX-License-Identifier: Apache-2.0
#include "commit/flusher.hpp"

#include <algorithm>
#include <chrono>

#include "base/assert.hpp"
#include "base/failpoint.hpp"
#include "base/guard.hpp"
#include "fs/space.hpp"
#include "lthash/hashing_share.hpp"
#include "state/host.hpp"
#include "state/metadata.hpp"

namespace flatkv::commit {
namespace {

constexpr std::size_t kAhead = 16;

}  // namespace

Flusher::Flusher(Setup setup)
    : setup_(std::move(setup)),
      worker_("flatkv-flush", [this](const std::stop_token& stop) { run(stop); }) {}

std::size_t Flusher::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size() + (busy_ ? 1 : 0);
}

template <class Done>
void Flusher::wait(std::unique_lock<std::mutex>& lock, const Done& done) {
  if (done()) return;
  const GivingWay::Waiter waiter(way_);
  changed_.wait(lock, done);
}

void Flusher::stop() {
  const GivingWay::Waiter waiter(way_);
  worker_.stop();
}

Status Flusher::wait_for_room(std::size_t most) {
  std::unique_lock lock(mutex_);
  wait(lock, [&] { return setup_.fault->failed() || queue_.size() + (busy_ ? 1 : 0) < most; });
  return setup_.fault->check();
}

bool Flusher::busy() const {
  const std::lock_guard lock(mutex_);
  return busy_ || !queue_.empty();
}

void Flusher::submit(FrozenBatch batch) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(batch));
  }
  changed_.notify_all();
}

Status Flusher::wait_idle() {
  std::unique_lock lock(mutex_);
  wait(lock, [&] { return !busy_ && (queue_.empty() || setup_.fault->failed()); });
  return setup_.fault->first();
}

void Flusher::run(const std::stop_token& stop) {
  const GivingWay::Thread gives_way(way_);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, stop, [&] {
      if (queue_.empty()) return false;
      if (!setup_.fault->failed()) return true;
      // Whoever set the fault (the group's sync, RocksDB) woke nobody here, and the queue no longer
      // drains: wake those who wait for it.
      changed_.notify_all();
      return false;
    });
    if (stop.stop_requested()) return;
    FrozenBatch batch = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    const Stopwatch watch;
    run_batch(batch);
    const std::uint64_t took = watch.nanoseconds();
    nanoseconds_ += took;
    durations_.add(took);
    ++flushes_;
    batch = {};  // release the buffers before anyone is told that there is room
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

/// An exception in a flush or a snapshot fails the store.
void Flusher::run_batch(FrozenBatch& batch) noexcept {
  Status done = guarded([&]() -> Status {
    FLATKV_TRY(flush(batch));
    if (batch.afterwards) batch.afterwards();
    return {};
  });
  if (!done) setup_.fault->set(std::move(done).error());
}

Status Flusher::flush(FrozenBatch& batch) {
  if (!batch.urgent) wait_for_compaction();
  FLATKV_TRY(setup_.fault->check());
  FLATKV_FAILPOINT("flush.begin");
  // In every durability mode: nothing enters a database that the log could still lose
  // (docs/hazards.md#rows-before-the-log).
  if (changelog::Writer* log = log_.load()) {
    FLATKV_TRY(log->sync());
    FLATKV_ASSERT(log->synced() >= batch.version);
    if (setup_.synced) setup_.synced();
  }
  FLATKV_FAILPOINT("flush.log_synced");
  // From here on files are written by path: make sure that nothing else has taken the store's
  // place.
  FLATKV_TRY(state::check_there(*setup_.lifetime));
  for (const Database database : kDataDatabases) {
    if (batch.parts[database].take) FLATKV_TRY(flush_rows(batch, database));
  }
  if (batch.metadata) FLATKV_TRY(flush_metadata(batch));
  return {};
}

Status Flusher::ingest(Database database, const std::string& table) {
  FLATKV_TRY(setup_.fault->check());
  return setup_.lifetime->database(database)->ingest({table});
}

void Flusher::count(Database database, std::uint64_t bytes, const Stopwatch& watch) noexcept {
  Counters& own = counters_[database];
  ++own.tables;
  own.bytes += bytes;
  own.nanoseconds += watch.nanoseconds();
}

FlushMetrics Flusher::flushed(Database database) const {
  const Counters& own = counters_[database];
  return {own.tables.load(), own.bytes.load(), own.nanoseconds.load()};
}

namespace {

Result<std::uint64_t> write_table(const rocks::DbOptions& options, const std::string& path,
                                  std::int64_t version, const FrozenBatch::Part& part,
                                  std::span<const memtable::Memtable::Row> rows) {
  FLATKV_ASSIGN(auto table, rocks::TableWriter::create(options, path, rocks::TableBlocks::plain));
  FLATKV_TRY(state::put_local_meta(table, version, *part.hash, part.stats));
  // Rows in key order are scattered over the buffer's memory: prefetch a few rows ahead.
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i + kAhead < rows.size()) {
      __builtin_prefetch(rows[i + kAhead].key.data());
      __builtin_prefetch(rows[i + kAhead].value.data());
    }
    const memtable::Memtable::Row& row = rows[i];
    if (!row.remove) {
      FLATKV_TRY(table.put(row.key, row.value));
    } else if (!row.absent_below) {
      FLATKV_TRY(table.remove(row.key));
    }
  }
  return table.finish();
}

std::uint64_t bytes_of(std::span<const memtable::Memtable::Row> rows) {
  std::uint64_t bytes = 0;
  for (const memtable::Memtable::Row& row : rows) {
    bytes += row.key.size() + row.value.size();
  }
  return bytes;
}

}  // namespace

Status Flusher::flush_rows(FrozenBatch& batch, Database database) {
  const std::int64_t version = batch.version;
  FrozenBatch::Part& part = batch.parts[database];
  const lthash::CoreTaken taken(*setup_.hashing);
  const Stopwatch watch;
  const auto& db = setup_.lifetime->database(database);
  const std::string path =
      layout::flush_table_path(setup_.lifetime->generation(), database, version);
  // Blocks in this buffer may have been undone: then the order of all its rows is of no use.
  const bool whole = part.rows->is_whole_for(batch.reach());
  const auto collected = whole ? std::vector<memtable::Memtable::Row>()
                               : part.rows->collect(rocks::Bounds(), batch.reach());
  const auto& rows = whole ? part.rows->sorted() : collected;
  const auto table = write_table(db->options(), path, version, part, rows);
  if (!table) return fs::needing(bytes_of(rows), std::unexpected(table.error()));
  const std::uint64_t written = *table;
  FLATKV_FAILPOINT("flush.table_written");
  if (setup_.before_ingest) setup_.before_ingest(version);
  FLATKV_TRY(ingest(database, path));
  FLATKV_FAILPOINT("flush.ingested");

  FLATKV_ASSIGN(auto snapshot, db->snapshot());
  if (setup_.before_publish) setup_.before_publish(database, batch);
  setup_.published->update([&](state::State& state) {
    state::DbState& own = state.of(database);
    // Buffers are flushed in the order they were frozen: this is the oldest.
    FLATKV_ASSERT(!own.frozen.empty() && own.frozen.back() == part.rows);
    own.frozen.pop_back();
    own.snapshot = std::move(snapshot);
  });
  part.rows.reset();  // release it now: the other databases may take long
  count(database, written, watch);
  FLATKV_FAILPOINT("flush.published");
  return {};
}

Status Flusher::flush_metadata(const FrozenBatch& batch) {
  const Stopwatch watch;
  const auto& db = setup_.lifetime->database(Database::metadata);
  const std::string path =
      layout::flush_table_path(setup_.lifetime->generation(), Database::metadata, batch.version);
  PerDataDatabase<LtHash> hashes;
  for (const Database database : kDataDatabases) hashes[database] = *batch.parts[database].hash;
  FLATKV_ASSIGN(auto table, rocks::TableWriter::create(db->options(), path));
  FLATKV_TRY(state::put_global_meta(table, setup_.store, batch.version, hashes));
  FLATKV_ASSIGN(const std::uint64_t written, table.finish());
  FLATKV_FAILPOINT("flush.metadata_written");
  FLATKV_TRY(ingest(Database::metadata, path));
  count(Database::metadata, written, watch);
  FLATKV_FAILPOINT("flush.done");
  return {};
}

void Flusher::wait_for_compaction() {
  const auto pressed = [&] {
    return std::ranges::any_of(setup_.lifetime->databases(), [&](const auto& db) {
      const rocks::Pressure pressure = db->pressure();
      return pressure.level0_files > setup_.level0_limit ||
             pressure.pending_compaction_bytes > setup_.pending_compaction_limit;
    });
  };
  // RocksDB's write stalls do not apply to ingestion, so this is the only brake.
  std::unique_lock lock(mutex_);
  const auto urgent = [&] {
    return std::ranges::any_of(queue_, [](const FrozenBatch& batch) { return batch.urgent; });
  };
  while (!worker_.stopping() && !setup_.fault->failed() && pressed()) {
    if (changed_.wait_for(lock, worker_.token(), std::chrono::milliseconds(5), urgent)) return;
  }
}

}  // namespace flatkv::commit

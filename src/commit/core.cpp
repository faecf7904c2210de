// SPDX-License-Identifier: Apache-2.0
#include "commit/core.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "base/failpoint.hpp"
#include "base/fork.hpp"
#include "base/machine.hpp"
#include "base/stopwatch.hpp"
#include "base/version_arithmetic.hpp"
#include "blake3/blake3.hpp"
#include "codec/change_log_entry.hpp"
#include "codec/strict.hpp"
#include "lthash/hashing_share.hpp"
#include "rocks/compaction.hpp"
#include "state/host.hpp"

namespace flatkv::commit {
namespace {

constexpr std::uint64_t kMostPages = 1ULL << 40;

/// Of the recent versions, all but the current one.
std::uint64_t older_versions(const Options& options) {
  return options.recent_versions == 0 ? 0 : options.recent_versions - 1;
}

std::unique_ptr<memtable::RowCache> make_cache(const Options& options) {
  std::uint64_t bytes = options.cache.row_cache_bytes;
  if (bytes == CacheOptions::kAutomatic)
    bytes = state::automatic_row_cache(options, machine().memory);
  return bytes == 0 ? nullptr : std::make_unique<memtable::RowCache>(bytes);
}

}  // namespace

Core::Core(CoreSetup setup)
    : setup_(std::move(setup)),
      logger_(setup_.options.log),
      // Flushes start when buffers are somewhat above write_buffer, so keep pages for a quarter
      // more.
      pages_(std::make_shared<memory::PagePool>(
          std::min(setup_.options.flush.write_buffer_bytes, kMostPages) / 4 * 5)),
      cache_(make_cache(setup_.options)),
      absent_key_filter_(setup_.options.cache.key_filter_bytes, logger_),
      share_(
          std::make_shared<lthash::HashingShare>(setup_.options.executor, setup_.options.threads)),
      published_(setup_.state),
      prefetcher_(cache_.get(), absent_key_filter_, setup_.options.reads.prefetch_rows,
                  setup_.options.reads.in_flight, [this] { return published_.load(); }),
      reads_(lookup()),
      recent_(older_versions(setup_.options)),
      pending_(setup_.manifest.account_rows, lookup(), block::Hashing::early, share_,
               block::OldValues::pinned,
               [this] {
                 return block::PendingBlock::Base{
                     holds_->hold(published_.load(), state::Holds::By::writer)};
               }),
      overlays_(std::make_shared<Overlays>(setup_.store, setup_.options.overlay_memory_bytes)),
      metadata_version_(setup_.metadata_version.value_or(-1)),
      points_(setup_.options.rollback_depth) {
  for (const Database database : kDataDatabases) {
    frozen_versions_[database] = setup_.state->databases[database].version;
    submitted_versions_[database] = frozen_versions_[database];
  }
  submitted_versions_[Database::metadata] = metadata_version_;
  frozen_at_ = submitted_at_ = setup_.state->version;
  pending_.begin(*setup_.state);
  setup_.state.reset();
  Flusher::Setup flusher;
  flusher.store = setup_.manifest.store;
  flusher.lifetime = setup_.lifetime.get();
  flusher.published = &published_;
  flusher.fault = setup_.fault.get();
  flusher.hashing = share_.get();
  // With a lower limit a flush would wait for a compaction that never starts.
  flusher.level0_limit =
      std::max<std::uint64_t>(setup_.options.flush.level0_limit, rocks::kCompactionFrom - 1);
  flusher.pending_compaction_limit = setup_.options.flush.pending_compaction_limit_bytes;
  flusher.synced = [this] { tell_durable(); };  // maybe more than is flushed
  flusher.before_ingest = [this](std::int64_t version) {
    if (scrubber_) scrubber_->before_ingest(version);
  };
  flusher.before_publish = [this](Database database, const FrozenBatch& batch) {
    if (!cache_) return;
    const FrozenBatch::Part& part = batch.parts[database];
    cache_->flushed(database, *part.rows, batch.reach());
  };
  flusher_ = std::make_unique<Flusher>(std::move(flusher));
}

Core::~Core() {
  static_cast<void>(guarded([&] { return close(); }));
}

void Core::start_logging(std::unique_ptr<changelog::Writer> log) {
  log_ = std::move(log);
  flusher_->set_log(log_.get());
  frozen_log_bytes_ = submitted_log_bytes_ = log_->appended_bytes();
  const changelog::Tip tip = log_->tip();
  place_ = tip;
  published_.update([&](state::State& state) {
    FLATKV_ASSERT(state.version == tip.version);
    state.chain = tip.digest;
  });
  pending_.begin(*published_.load());
  shown_floor_ = floor();
  if (setup_.options.durability == Durability::group) {
    group_commit_ =
        std::make_unique<GroupCommit>(*log_, *setup_.fault, [this](std::int64_t version) {
          tell_durable();
          if (setup_.options.on_durable) setup_.options.on_durable(version);
        });
  }
  if (scrubber_) scrubber_->start();
  absent_key_filter_.reached(published_.load());
}

void Core::follow(Followed by) {
  const auto tap = by.tap;
  {
    const std::lock_guard lock(followed_mutex_);
    followed_ = std::move(by);
  }
  setup_.fault->tell([tap] { tap->failed(); });
}

Core::Followed Core::followed_by() const {
  const std::lock_guard lock(followed_mutex_);
  return followed_;
}

void Core::scrub_from(scrub::ScrubStart start) {
  scrub::Scrubber::Setup scrub;
  scrub.files = setup_.environment.files;
  scrub.generation = setup_.lifetime->generation();
  scrub.published = &published_;
  scrub.fault = setup_.fault.get();
  scrub.options = &setup_.options;
  scrubber_ = std::make_unique<scrub::Scrubber>(std::move(scrub), std::move(start));
  pending_.watch(&scrubber_->part());
}

Status Core::check_readable() const {
  if (is_forked()) {
    return fail(ErrorCode::unsupported, "the store was opened before this process was forked")
        .path(setup_.store);
  }
  if (closed_) return fail(ErrorCode::store_failed, "the store is closed").path(setup_.store);
  return {};
}

Status Core::check_usable() const {
  FLATKV_TRY(check_readable());
  return setup_.fault->check();
}

Status Core::check_change_sets(std::span<const NamedChangeSet> change_sets,
                               std::int64_t version) const {
  FLATKV_TRY(check_usable());
  if (!setup_.options.strict) return {};
  return codec::check_strict(change_sets, setup_.options.strict_exceptions, version);
}

Status Core::apply(std::span<const NamedChangeSet> change_sets) {
  FLATKV_TRY(check_change_sets(change_sets, pending_.version()));
  return pending_.apply(change_sets);
}

void Core::discard() { pending_.begin(*published_.load()); }

/// Does not keep the state: its buffers may be flushed while a commit waits for room.
Status Core::check_next(std::int64_t version, std::int64_t blocks) const {
  FLATKV_TRY(check_usable());
  const auto next = version_plus(published_.load()->version, blocks);
  if (version != next) {
    return fail(ErrorCode::version_mismatch, next ? "the next version is " + std::to_string(*next)
                                                  : "the store is at the last version there can be")
        .path(setup_.store)
        .version(version);
  }
  if (log_ == nullptr) {
    return fail(ErrorCode::unsupported, "this handle does not commit").path(setup_.store);
  }
  return {};
}

Result<Roots> Core::commit(std::int64_t version) {
  FLATKV_TRY(check_next(version, 1));
  return commit_block(pending_, version, nullptr);
}

Result<Roots> Core::commit_block(block::PendingBlock& block, std::int64_t version,
                                 block::OverlayBlock* overlay) {
  timings_ = {};
  const Stopwatch wait_watch;
  // Wait for buffer space before logging: if a flush fails while we wait, nothing of this block may
  // be on disk (docs/hazards.md#half-a-commit).
  FLATKV_TRY(make_room());
  if (Status there = state::check_there(*setup_.lifetime); !there) {
    setup_.fault->set(there.error());
    return std::unexpected(std::move(there).error());
  }
  // No failure of the store: its log is cut short, but a flush or a close brings what the log held
  // into the databases.
  FLATKV_TRY(log_->check_there());
  timings_.wait = wait_watch.nanoseconds();

  const Roots roots = block.roots();
  if (overlay != nullptr) block.prepare_scrub();
  timings_.route = block.route_nanoseconds;
  timings_.read = block.read_nanoseconds;
  timings_.hash = block.hash_nanoseconds;

  const Stopwatch log_watch;
  Digest chain;
  if (Status logged = write_record(block, version, roots, chain); !logged) {
    // The record may or may not be on disk; only recovery can tell.
    setup_.fault->set(logged.error());
    return std::unexpected(std::move(logged).error());
  }
  timings_.log = log_watch.nanoseconds();

  const Stopwatch buffer_watch;
  // Load the state only now: make_room() may have frozen the active buffers.
  const auto ready = published_.load();
  PerDataDatabase<DatabaseStats> stats;
  for (const Database database : kDataDatabases) stats[database] = ready->databases[database].stats;
  absent_key_filter_.add(block.tables());
  insert_rows(*ready, block::rows_of(block.tables()), ++last_stamp_, stats);
  timings_.buffer = buffer_watch.nanoseconds();

  const Stopwatch publish_watch;
  // Whoever reads through this block above the state without it is right until the state with it
  // is published, and finds it there from then on.
  if (overlay != nullptr) overlay->set_place({version, chain, last_stamp_});
  publish({version, chain, roots, block.hashes(), stats, &block == &pending_ ? 0 : block.ignored()},
          [&](const auto& front) { return block.behind(front); });
  if (overlay != nullptr) overlay->set_published();
  absent_key_filter_.reached(published_.load());
  if (const auto tap = followed_by().tap) tap->committed({version, chain}, log_->synced());
  const std::uint64_t every = setup_.options.snapshot.interval;
  if (every != 0 && static_cast<std::uint64_t>(version) % every == 0) snapshot_due_ = true;
  submit_old();
  // Freeze now if that need not wait; otherwise the next commit waits.
  if (flush_due() && held_buffers() + flusher_->waiting() < Flusher::kMaxFrozen) {
    static_cast<void>(make_room());
  }
  timings_.publish = publish_watch.nanoseconds();
  commit::add(commit_durations_, timings_);
  {
    const std::lock_guard lock(timings_mutex_);
    last_timings_ = timings_;
  }
  return roots;
}

Status Core::write_record(const block::PendingBlock& block, std::int64_t version,
                          const Roots& roots, Digest& chain) {
  Bytes prefix;
  codec::append_version(prefix, version);
  std::vector<ByteView> parts{prefix};
  blake3::Hasher hasher;
  hasher.update(prefix);
  for (const Bytes& chunk : block.chunks()) {
    parts.emplace_back(chunk);
    hasher.update(chunk);
  }
  FLATKV_FAILPOINT("commit.begin");
  FLATKV_ASSIGN(chain, log_->append(version, parts, hasher.finalize(), roots));
  FLATKV_FAILPOINT("commit.appended");
  if (setup_.options.durability == Durability::sync) {
    FLATKV_TRY(log_->sync());
  } else if (group_commit_) {
    FLATKV_TRY(group_commit_->appended(version, std::max(1U, setup_.options.group_blocks)));
  }
  FLATKV_FAILPOINT("commit.durable");
  return {};
}

void insert_rows(const state::State& state, const block::RowSpans& rows, memtable::Stamp stamp,
                 PerDataDatabase<DatabaseStats>& stats) {
  // Places in the index are loaded some rows ahead, and the rows found there fewer rows ahead.
  constexpr std::size_t kPlacesAhead = 16;
  constexpr std::size_t kRowsAhead = 8;
  for (const Database database : kDataDatabases) {
    memtable::Memtable& buffer = *state.databases[database].active;
    const std::span<const block::BlockRow> all = rows[database];
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i + kPlacesAhead < all.size()) buffer.prefetch(all[i + kPlacesAhead].hash);
      if (i + kRowsAhead < all.size()) buffer.prefetch_row(all[i + kRowsAhead].hash);
      const block::BlockRow& row = all[i];
      if (!row.changed()) continue;
      buffer.insert({.key = row.key,
                     .hash = row.hash,
                     .remove = !row.has_value,
                     .value = row.value,
                     .absent_below = !row.had_old},
                    stamp);
      block::count_change(row, stats[database]);
    }
  }
}

template <class Behind>
void Core::publish(const Inserted& block, Behind&& behind) {
  if (points_.on()) {
    const auto last = published_.load();
    UndoPoint point(*last);
    point.place = std::exchange(place_, log_ ? std::optional(log_->tip()) : std::nullopt);
    point.log_bytes = last_log_bytes_;
    last_log_bytes_ = log_ ? log_->appended_bytes() : 0;
    points_.push(std::move(point));
  }
  RecentStates::Dropped dropped;  // destroyed at the end, under no lock
  const auto publish_state = [&] {
    published_.update([&](state::State& state, const std::shared_ptr<const state::State>& last) {
      // Under the lock: whoever sees the new state finds the last one among the recent ones.
      dropped = recent_.push(last, *holds_);
      state.version = block.version;
      state.stamp = last_stamp_;
      state.chain = block.chain;
      state.roots = block.roots;
      for (const Database database : kDataDatabases) {
        state::DbState& own = state.databases[database];
        // During replay a database may be ahead of the block.
        if (own.version > block.version) continue;
        if (*own.hash != block.hashes[database])
          own.hash = std::make_shared<const LtHash>(block.hashes[database]);
        own.stats = block.stats[database];
        own.version = block.version;
      }
    });
  };
  if (scrubber_) {
    scrubber_->part().commit(block.version, std::forward<Behind>(behind), publish_state);
  } else {
    publish_state();
  }
  ignored_ += block.ignored + pending_.ignored();
  pending_.begin(*published_.load());
  shown_floor_ = floor();
  shed_recent();
}

std::unique_ptr<block::ReplayWindow> Core::new_replay_window() {
  return std::make_unique<block::ReplayWindow>(
      block::ReplayWindow::Setup{.store = setup_.store,
                                 .account_rows = setup_.manifest.account_rows,
                                 .rows = lookup(),
                                 .share = share_,
                                 .front = scrubber_ ? scrubber_->part().front() : nullptr});
}

Status Core::replay_block(const changelog::RecordHeader& header,
                          const block::ReplayedBlock& block) {
  auto current = published_.load();
  PerDataDatabase<LtHash> hashes;
  bool level = true;
  for (const Database database : kDataDatabases) {
    const state::DbState& own = current->databases[database];
    hashes[database] = *own.hash;
    if (block.take[database]) hashes[database] += block.change[database];
    level = level && own.version <= block.version;
  }
  const Roots roots = layout::roots_of(hashes);
  for (const Database database : kDataDatabases) {
    const Digest& found = roots.of(database);
    const Digest& logged = header.roots.of(database);
    if (!block.take[database] || found == logged) continue;
    return fail(ErrorCode::corruption, "replay gives the checksum " + to_hex(found) +
                                           ", the log's record has " + to_hex(logged))
        .path(setup_.store)
        .database(database)
        .version(block.version);
  }
  if (level && roots.root != header.roots.root) {
    return fail(ErrorCode::corruption, "replay gives the root " + to_hex(roots.root) +
                                           ", the log's record has " + to_hex(header.roots.root))
        .path(setup_.store)
        .version(block.version);
  }
  FLATKV_FAILPOINT("replay.checked");
  PerDataDatabase<DatabaseStats> stats;
  for (const Database database : kDataDatabases)
    stats[database] = current->databases[database].stats;
  insert_rows(*current, block.rows, ++last_stamp_, stats);
  publish({block.version, header.digest, roots, hashes, stats},
          [&](const auto& front) { return block.behind(front); });
  current.reset();  // its buffers may be flushed while this waits
  return make_room();
}

std::int64_t Core::durable_version() const noexcept {
  return log_ ? log_->synced() : published_.load()->version;
}

Status Core::wait_durable(std::int64_t version) {
  FLATKV_TRY(check_usable());
  const std::int64_t last = published_.load()->version;
  if (version > last) {
    return fail(ErrorCode::invalid_argument,
                "cannot wait for a version that was not committed; the last is " +
                    std::to_string(last))
        .version(version);
  }
  if (log_ == nullptr) return {};
  if (log_->synced() < version) {
    if (group_commit_) return group_commit_->wait(version);
    if (Status done = log_->sync(); !done) {
      setup_.fault->set(done.error());
      return done;
    }
  }
  // Whoever has synced it may not have told it yet.
  return tell_durable() >= version ? Status{} : undone_meanwhile(version);
}

std::int64_t Core::tell_durable() {
  const auto tap = followed_by().tap;
  const std::uint64_t mark = tap ? tap->mark() : 0;  // before it is known what is durable
  const std::int64_t synced = log_->synced();
  if (tap) tap->durable(synced, mark);
  return synced;
}

StoreMetrics Core::metrics() const {
  StoreMetrics metrics;
  metrics.log_bytes = log_ ? log_->appended_bytes() : 0;
  metrics.flushes = flusher_->flushes();
  metrics.flush_nanoseconds = flusher_->nanoseconds();
  for (const Database database : kAllDatabases) {
    FlushMetrics& own = metrics.flushed[database];
    own = flusher_->flushed(database);
    metrics.flushed_bytes += own.bytes;
  }
  {
    const std::shared_lock lock(ending_);
    const auto current = published_.load();
    if (current->lifetime) {
      metrics.table_reads = current->lifetime->read_threads().keys();
      metrics.read_threads = current->lifetime->read_threads().threads();
      for (const auto& database : current->lifetime->databases()) {
        metrics.compaction_bytes += database->compaction_bytes_written();
        metrics.superseded_bytes += database->superseded_bytes();
      }
      for (const state::DbState& database : current->databases) {
        metrics.buffer_memory += database.active->memory();
        for (const auto& frozen : database.frozen) metrics.buffer_memory += frozen->memory();
      }
    }
    const state::Holds::Kept kept = holds_->kept(*current);
    metrics.buffer_memory += kept.by_writer;
    metrics.view_memory = kept.by_views_alone;
    metrics.recent_memory = kept.by_recent_alone;
    metrics.undo_floor = shown_floor_;
    metrics.recent_versions = setup_.options.recent_versions == 0 ? 0 : recent_.size() + 1;
  }
  metrics.overlay_memory = overlays_->memory();
  metrics.buffer_memory += pages_->kept();
  if (cache_) {
    const memtable::RowCache::Counters counters = cache_->counters();
    metrics.cache_memory = cache_->memory();
    metrics.cache_hits = counters.hits;
    metrics.cache_misses = counters.misses;
  }
  metrics.prefetch = prefetcher_.counters();
  metrics.key_filter_memory = absent_key_filter_.memory();
  metrics.key_filter_answers = absent_key_filter_.answered();
  metrics.ignored_change_sets = ignored_ + pending_.ignored();
  return metrics;
}

Figures Core::figures() const {
  Figures figures;
  figures.commits = commit::read(commit_durations_);
  figures.flushes = flusher_->durations();
  figures.failed = setup_.fault->failed();
  {
    const std::lock_guard lock(timings_mutex_);
    figures.snapshots = snapshots_;
  }
  const std::shared_lock lock(ending_);
  const auto current = published_.load();
  if (!current->lifetime) return figures;
  for (const Database database : kAllDatabases) {
    const auto& own = current->lifetime->database(database);
    figures.tables[database] = {own->table_bytes(), own->pressure()};
  }
  return figures;
}

}  // namespace flatkv::commit

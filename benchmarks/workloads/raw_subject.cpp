// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/stopwatch.hpp"
#include "commit/core.hpp"
#include "fs/file_system.hpp"
#include "layout/generation.hpp"
#include "layout/lock.hpp"
#include "read/read_view.hpp"
#include "workloads/subject.hpp"

namespace flatkv::bench {
namespace {

Result<state::Databases> open_databases(const std::string& generation, const Options& options) {
  const auto block_cache = rocks::make_block_cache(options.cache.block_cache_bytes);
  state::Databases databases;
  for (const Database which : kAllDatabases) {
    rocks::DbOptions db;
    db.path = layout::database_path(layout::working_path(generation), which);
    db.which = which;
    db.block_cache = block_cache;
    FLATKV_ASSIGN(databases[which], rocks::Db::open(db, rocks::Db::Mode::read_write));
  }
  return databases;
}

Result<std::shared_ptr<const state::State>> first_state(const std::string& path,
                                                        const Options& options) {
  auto& files = fs::posix();
  FLATKV_TRY(CommitStore::create(path));
  FLATKV_ASSIGN(auto lock, layout::StoreLock::take(files, path, 0));
  FLATKV_ASSIGN(const auto survey, layout::survey_store(files, path));
  FLATKV_ASSIGN(const auto choice, layout::choose_generation(path, survey));
  const std::string generation = path + "/" + choice.name;
  FLATKV_ASSIGN(auto databases, open_databases(generation, options));
  auto state = std::make_shared<state::State>();
  state->lifetime = std::make_shared<state::OpenGeneration>(
      state::Environment{}, generation, databases,
      std::make_shared<layout::StoreLock>(std::move(lock)), options.reads.in_flight);
  for (const Database database : kDataDatabases) {
    state::DbState& own = state->databases[database];
    own.active = std::make_shared<memtable::Memtable>();
    FLATKV_ASSIGN(own.snapshot, databases[database]->snapshot());
    own.hash = std::make_shared<const LtHash>();
  }
  return state;
}

}  // namespace

struct RawSubject::Impl {
  Impl(const Options& given, std::shared_ptr<const state::State> state)
      : options(given),
        cache(given.cache.row_cache_bytes == 0
                  ? nullptr
                  : std::make_unique<memtable::RowCache>(given.cache.row_cache_bytes)),
        absent_key_filter(given.cache.key_filter_bytes, logger),
        reads(cache.get(), &absent_key_filter),
        published(std::move(state)),
        pending(AccountRows::keep, {cache.get(), &absent_key_filter}, block::Hashing::when_asked,
                share, block::OldValues::pinned,
                [this] { return block::PendingBlock::Base{published.load()}; }) {
    commit::Flusher::Setup setup;
    setup.lifetime = published.load()->lifetime.get();
    setup.published = &published;
    setup.fault = &fault;
    setup.hashing = share.get();
    setup.level0_limit = options.flush.level0_limit;
    setup.pending_compaction_limit = options.flush.pending_compaction_limit_bytes;
    setup.before_publish = [this](Database database, const commit::FrozenBatch& batch) {
      if (!cache) return;
      const auto& part = batch.parts[database];
      cache->flushed(database, *part.rows, batch.reach());
    };
    absent_key_filter.reached(published.load());
    flusher = std::make_unique<commit::Flusher>(std::move(setup));
  }

  /// The row changes of the pending block, kept for the hash floor while the block is.
  void keep_changes() {
    for (const Database database : kDataDatabases) {
      changes[database].clear();
      for (const block::BlockRow& row : pending.tables()[database].rows) {
        changes[database].push_back({row.key, row.old_value, row.value});
      }
    }
  }
  void publish();
  void freeze();
  bool full() const;

  Options options;
  state::PoisonLatch fault;
  Logger logger{LogCallback{}};
  std::shared_ptr<memory::PagePool> pages =
      std::make_shared<memory::PagePool>(options.flush.write_buffer_bytes / 4 * 5);
  std::unique_ptr<memtable::RowCache> cache;
  block::AbsentKeyFilter absent_key_filter;
  block::RowLookup reads;
  std::shared_ptr<lthash::HashingShare> share =
      std::make_shared<lthash::HashingShare>(options.executor, options.threads);
  state::Published published;
  block::PendingBlock pending;
  PerDataDatabase<std::vector<lthash::RowChange>> changes;
  lthash::Summation summation{share};
  PerDataDatabase<DatabaseStats> stats;
  std::int64_t frozen_at = 0;
  std::unique_ptr<commit::Flusher> flusher;
};

void RawSubject::Impl::publish() {
  published.update([&](state::State& state) {
    ++state.version;
    ++state.stamp;
    for (const Database database : kDataDatabases) {
      state.databases[database].stats = stats[database];
      state.databases[database].version = state.version;
    }
  });
}

bool RawSubject::Impl::full() const {
  const auto current = published.load();
  std::uint64_t bytes = 0;
  for (const state::DbState& database : current->databases) bytes += database.active->memory();
  return bytes >= options.flush.write_buffer_bytes ||
         static_cast<std::uint64_t>(current->version - frozen_at) >= options.flush.max_lag_blocks;
}

void RawSubject::Impl::freeze() {
  commit::FrozenBatch batch;
  published.update([&](state::State& state) {
    batch.version = frozen_at = state.version;
    batch.stamp = state.stamp;
    for (const Database database : kDataDatabases) {
      state::DbState& own = state.databases[database];
      batch.parts[database] = {true, own.active, own.hash, own.stats};
      own.frozen.insert(own.frozen.begin(), std::move(own.active));
      own.active =
          std::make_shared<memtable::Memtable>(batch.parts[database].rows->keys() * 5 / 4, pages);
    }
    batch.metadata = true;
  });
  flusher->submit(std::move(batch));
}

RawSubject::RawSubject(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RawSubject::~RawSubject() = default;

Result<std::unique_ptr<RawSubject>> RawSubject::create(const std::string& path,
                                                       const Options& options) {
  FLATKV_ASSIGN(auto state, first_state(path, options));
  return std::unique_ptr<RawSubject>(
      new RawSubject(std::make_unique<Impl>(options, std::move(state))));
}

Result<PhaseTimes> RawSubject::run(const Block& block) {
  Impl& raw = *impl_;
  PhaseTimes times{};
  Stopwatch watch;
  // The pending block of the last run is kept until now for the hash floor.
  raw.pending.begin(*raw.published.load());
  times.of(Phase::publish) = watch.nanoseconds();

  watch = {};
  {
    const auto state = raw.published.load();
    FLATKV_TRY(read::read_many({{*state}, &raw.pending, raw.reads}, block.reads));
  }
  times.of(Phase::lookup) = watch.nanoseconds();

  const NamedChangeSet set{kEvmModule, block.writes};
  FLATKV_TRY(raw.pending.apply({&set, 1}));
  times.of(Phase::read) = raw.pending.read_nanoseconds;

  watch = {};
  if (raw.full()) {
    FLATKV_TRY(raw.flusher->wait_for_room());
    raw.freeze();
  }
  times.of(Phase::wait) = watch.nanoseconds();
  watch = {};
  const auto current = raw.published.load();
  raw.absent_key_filter.add(raw.pending.tables());
  commit::insert_rows(*current, block::rows_of(raw.pending.tables()), current->stamp + 1,
                      raw.stats);
  times.of(Phase::buffer) = watch.nanoseconds();
  watch = {};
  raw.publish();
  raw.absent_key_filter.reached(raw.published.load());
  times.of(Phase::publish) += watch.nanoseconds();
  return times;
}

std::uint64_t RawSubject::hash_last() {
  impl_->keep_changes();
  PerDataDatabase<LtHash> sums;
  const Stopwatch watch;
  for (const Database database : kDataDatabases) {
    for (const auto& change : impl_->changes[database])
      impl_->summation.add(sums[database], change);
  }
  impl_->summation.wait();
  return watch.nanoseconds();
}

Status RawSubject::flush() {
  if (impl_->published.load()->version != impl_->frozen_at) {
    FLATKV_TRY(impl_->flusher->wait_for_room());
    impl_->freeze();
  }
  return impl_->flusher->wait_idle();
}

Background RawSubject::background() const {
  Background now;
  now.flushing = impl_->flusher->busy();
  now.compacting = std::ranges::any_of(
      impl_->published.load()->lifetime->databases(),
      [](const auto& database) { return database->pressure().running_compactions != 0; });
  return now;
}

Status RawSubject::close() {
  const Status flushed = flush();
  for (const auto& database : impl_->published.load()->lifetime->databases()) {
    database->stop_background();
  }
  return flushed;
}

}  // namespace flatkv::bench

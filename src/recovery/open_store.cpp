// SPDX-License-Identifier: Apache-2.0
#include "recovery/open_store.hpp"

#include <algorithm>
#include <functional>

#include "base/failpoint.hpp"
#include "changelog/log_maintenance.hpp"
#include "changelog/undo_mark.hpp"
#include "fs/files.hpp"
#include "layout/cleanup.hpp"
#include "layout/lock.hpp"
#include "layout/snapshot_manifest.hpp"
#include "lthash/batch.hpp"
#include "recovery/create.hpp"
#include "recovery/generation_builder.hpp"
#include "recovery/replay.hpp"
#include "recovery/scrub_start.hpp"
#include "rocks/open_tables.hpp"
#include "state/host.hpp"

namespace flatkv::recovery {
namespace {

/// Ingests the LocalMeta and stats that a full scan computed, at the database's own version
/// (docs/specification.md#backfill).
Status write_backfill(const std::string& directory, rocks::Db& database, Database which,
                      const DatabaseAnalysis& found) {
  const std::string path = layout::flush_table_path(directory, which, found.version);
  FLATKV_ASSIGN(auto table, rocks::TableWriter::create(database.options(), path));
  FLATKV_TRY(state::put_local_meta(table, found.version, found.hash, found.stats));
  FLATKV_TRY(table.finish());
  FLATKV_FAILPOINT("open.backfill_written");
  FLATKV_TRY(database.ingest({path}));
  FLATKV_FAILPOINT("open.backfilled");
  return {};
}

bool has_leftovers(const layout::StoreSurvey& survey) {
  return survey.generations.size() > 1 || !survey.unfinished.empty();
}

class Opener {
 public:
  /// `lock`: already held by the caller, which may have views of older generations.
  Opener(const state::Environment& environment, const std::string& store, const Options& options,
         std::shared_ptr<layout::StoreLock> lock = nullptr, ProgressCallback progress = {})
      : environment_(environment),
        store_(store),
        options_(options),
        progress_(std::move(progress)),
        logger_(options.log),
        lock_(std::move(lock)),
        spare_others_(lock_ != nullptr) {}

  Result<Opened> run() {
    if (!lock_) FLATKV_TRY(lock_or_create());
    // Each round may publish a new generation; the analysis then starts over.
    for (int round = 0; round < 4; ++round) {
      RecoveryAnalysis found;
      const Status examined = analyze_store(environment_, store_, found);
      FLATKV_FAILPOINT("open.examined");
      // That may have taken minutes. If another store took this one's place meanwhile, it must not
      // be changed by what was found in this one, nor this one refused for what was found in that
      // one.
      FLATKV_TRY(lock_->check(store_));
      FLATKV_TRY(examined);
      for (const std::string& note : found.notes) logger_.warning(note);
      // `start` fills the empty metadata database that the last round created.
      const bool filled_by_start =
          found.plan == RecoveryPlan::new_metadata && report_.rebuilt_metadata;
      if (found.plan == RecoveryPlan::open || filled_by_start) return start(found);
      FLATKV_TRY(build_next(found));
    }
    return fail(ErrorCode::corruption, "the store needs one rebuild after another").path(store_);
  }

 private:
  Status lock_or_create() {
    FLATKV_ASSIGN(const auto before, layout::survey_store(*environment_.files, store_));
    if (!before.exists) {
      if (!options_.create_if_missing) return no_store();
      FLATKV_TRY(fs::ensure_directory(*environment_.files, store_));
    }
    FLATKV_ASSIGN(auto lock, layout::StoreLock::take(*environment_.files, store_));
    lock_ = std::make_shared<layout::StoreLock>(std::move(lock));
    FLATKV_ASSIGN(const auto survey, layout::survey_store(*environment_.files, store_));
    const auto choice = layout::choose_generation(store_, survey);
    if (choice) return {};
    if (choice.error().code != ErrorCode::not_found) return std::unexpected(choice.error());
    if (!options_.create_if_missing) return no_store();
    // Whoever made the directory, an earlier open perhaps, may have failed or died before its entry
    // was synced.
    FLATKV_TRY(fs::ensure_directory(*environment_.files, store_));
    return create_generation(environment_, store_, options_.create);
  }

  Status no_store() const {
    return fail(ErrorCode::not_found, "there is no store; `flatkv init` makes one").path(store_);
  }

  Status build_next(const RecoveryAnalysis& found) {
    const bool rebuild = found.plan == RecoveryPlan::rebuild;
    const std::string source = rebuild ? found.snapshots[*found.rebuild_from].path
                                       : layout::working_path(found.generation);
    FLATKV_ASSIGN(auto builder, GenerationBuilder::begin(environment_, store_, found.survey,
                                                         layout::Purpose::rebuild, found.manifest));
    for (const Database which : kDataDatabases) {
      FLATKV_TRY(builder.carry_database(which, layout::database_path(source, which)));
    }
    if (found.plan == RecoveryPlan::new_log) {
      FLATKV_TRY(begin_new_log(builder, found));
    } else {
      if (rebuild) {
        FLATKV_TRY(builder.carry_database(Database::metadata,
                                          layout::database_path(source, Database::metadata)));
      } else {
        FLATKV_TRY(builder.create_database(Database::metadata));
      }
      FLATKV_TRY(carry_log_and_snapshots(builder, found));
    }
    FLATKV_TRY(builder.publish());
    report_.rebuilt_working_copy |= rebuild;
    report_.rebuilt_metadata |= found.plan == RecoveryPlan::new_metadata;
    report_.lost_log_tail |= found.plan == RecoveryPlan::new_log;
    return {};
  }

  Status carry_log_and_snapshots(GenerationBuilder& builder, const RecoveryAnalysis& found) {
    FLATKV_ASSIGN(const changelog::LogWalk log, log_to_carry(found));
    FLATKV_TRY(builder.carry_log(found.generation, log, *found.reached));
    for (const auto& snapshot : found.snapshots) {
      if (is_whole(snapshot)) FLATKV_TRY(builder.carry_snapshot(snapshot));
    }
    return {};
  }

  /// A snapshot that lost a file is useless; it must not block a recovery.
  bool is_whole(const layout::SnapshotEntry& snapshot) const {
    if (!snapshot.manifest) return false;
    const Status whole =
        layout::check_snapshot_files(*environment_.files, snapshot.path, *snapshot.manifest);
    if (!whole) {
      logger_.warning("snapshot left behind: " + snapshot.path + ": " + whole.error().to_string());
    }
    return whole.has_value();
  }

  /// The analysis walked only from the databases' versions. The snapshots that are carried over
  /// need the log from the oldest of them, if it is unbroken from there.
  Result<changelog::LogWalk> log_to_carry(const RecoveryAnalysis& found) const {
    for (const auto& snapshot : found.snapshots) {
      if (!snapshot.manifest) continue;
      changelog::SurveyOptions options;
      options.store = found.manifest.store;
      options.from_version = snapshot.version;
      FLATKV_ASSIGN(auto longer,
                    changelog::walk_segments(*environment_.files,
                                             layout::changelog_path(found.generation), options));
      if (longer && longer->tip.version == *found.reached) return *std::move(longer);
    }
    return *found.log;
  }

  /// All databases are at D and agree; only the end of the log is lost.
  Status begin_new_log(GenerationBuilder& builder, const RecoveryAnalysis& found) {
    commit::SnapshotRequest request;
    request.manifest = found.manifest;
    request.state.version = found.durable;
    for (const Database which : kDataDatabases) {
      request.state.hashes[which] = found.copy.data[which].hash;
      request.state.stats[which] = found.copy.data[which].stats;
    }
    request.chain = changelog::base_digest(found.manifest.store, found.durable,
                                           layout::roots_of(request.state.hashes));
    if (found.copy.metadata) {
      FLATKV_TRY(builder.carry_database(
          Database::metadata,
          layout::database_path(layout::working_path(found.generation), Database::metadata)));
    } else {
      FLATKV_TRY(builder.create_database(Database::metadata, [&](rocks::TableWriter& table) {
        return state::put_global_meta(table, found.manifest.store, found.durable,
                                      request.state.hashes);
      }));
    }
    FLATKV_TRY(builder.new_log({found.durable, request.chain}));
    for (const auto& snapshot : found.snapshots) {
      if (snapshot.version < found.durable && is_whole(snapshot)) {
        FLATKV_TRY(builder.carry_snapshot(snapshot));
      }
    }
    return builder.add_snapshot(request);
  }

  // Phase 2.
  Result<Opened> start(const RecoveryAnalysis& found) {
    fs::FileSystem& files = *environment_.files;
    if (found.choice.current_missing) {
      FLATKV_TRY(layout::swap_current(files, store_, found.choice.name));
    } else if (!found.clean_believed || has_leftovers(found.survey)) {
      // A process that died between the rename of CURRENT and this sync left a name that may not be
      // on disk yet. A new generation has a CLEAN of its own; beside another one that CLEAN does
      // not tell which of the two comes back.
      FLATKV_TRY(files.sync_directory(store_));
    }
    if (!spare_others_) {
      for (const auto& name :
           layout::remove_leftovers(files, store_, found.survey, found.choice.name)) {
        logger_.warning("could not be removed: " + name);
      }
    }
    for (const auto& name : layout::remove_unfinished(files, found.generation)) {
      logger_.warning("could not be removed: " + name);
    }
    FLATKV_FAILPOINT("open.cleaned");
    // Remove CLEAN before doing anything that makes it untrue.
    FLATKV_TRY(changelog::remove_clean(files, found.generation));
    FLATKV_FAILPOINT("open.unmarked");
    const changelog::Tip tip = tip_of(found);
    const std::string log_path = layout::changelog_path(found.generation);
    if (!found.clean_believed) {
      if (found.log->damage && !found.log->damage->zeros_only) {
        report_.truncated_log = fs::join(log_path, found.log->damage->segment) + " at offset " +
                                std::to_string(found.log->damage->offset);
      }
    }
    if (found.log && found.log->undone) {
      // A process that died before this sync left UNDO by a name that may not be on disk yet.
      // Nothing above it may go before it is.
      FLATKV_TRY(files.sync_directory(log_path));
    }
    FLATKV_ASSIGN(const bool shared, changelog::is_shared(files, log_path, tip));
    if (!found.clean_believed || shared) {
      FLATKV_TRY(changelog::reseal(files, log_path, tip));
      FLATKV_FAILPOINT("open.resealed");
      if (found.log && found.log->undone) {
        FLATKV_TRY(changelog::remove_undo(files, log_path));
        FLATKV_FAILPOINT("open.undone");
      }
    }
    FLATKV_ASSIGN(auto core, start_core(environment_, options_, store_, found.generation,
                                        found.manifest, found.copy, lock_));
    core->no_undo_below(found.undo_floor());
    for (const Database which : kDataDatabases) {
      if (found.copy.data[which].backfilled) report_.backfilled.push_back(which);
    }
    if (options_.scrub.mode != Scrub::off) core->scrub_from(find_scrub(files, found, tip));
    if (found.log) {
      ReplayOptions replay;
      replay.progress = [this, told = std::uint64_t{0}](std::uint64_t done,
                                                        std::uint64_t total) mutable {
        if (progress_) progress_("replay", done, total);
        log_replay(done, total, told);
      };
      FLATKV_ASSIGN(report_.replayed_blocks, replay_log(environment_, *core, found.generation,
                                                        *found.log, tip.version, replay));
    }
    changelog::WriterOptions writer_options;
    writer_options.store = found.manifest.store;
    writer_options.segment_bytes = options_.segment_bytes;
    FLATKV_ASSIGN(auto writer, changelog::Writer::open(files, log_path, tip, writer_options));
    core->start_logging(std::move(writer));
    logger_.info(state::chosen_text(options_));
    if (!found.copy.metadata) FLATKV_TRY(core->flush(true));
    report_.clean = found.clean_believed && report_.backfilled.empty() &&
                    !report_.rebuilt_working_copy && !report_.rebuilt_metadata &&
                    !report_.lost_log_tail;
    return Opened{std::move(core), std::move(report_)};
  }

  /// The begin and each tenth of a long replay, for programs that embed the store: until it is open
  /// they have no metrics to ask. `told`: of so many tenths.
  void log_replay(std::uint64_t done, std::uint64_t total, std::uint64_t& told) const {
    constexpr std::uint64_t kLong = 1000;
    const std::uint64_t tenths = done / (total / 10 + 1);
    if (total < kLong || (done != 0 && tenths == told)) return;
    told = tenths;
    logger_.info("replay: " + std::to_string(done) + " of " + std::to_string(total) + " blocks");
  }

  static changelog::Tip tip_of(const RecoveryAnalysis& found) {
    if (!found.clean_believed) return found.log->tip;
    changelog::Tip tip;
    tip.version = found.clean->version;
    tip.digest = found.clean->digest;
    tip.roots = found.clean->roots;
    tip.segment = found.clean->segment;
    tip.end_offset = found.clean->bytes;
    return tip;
  }

  const state::Environment& environment_;
  const std::string& store_;
  const Options& options_;
  const ProgressCallback progress_;
  Logger logger_;
  std::shared_ptr<layout::StoreLock> lock_;
  bool spare_others_ = false;
  OpenReport report_;
};

}  // namespace

Result<Opened> open_store(const state::Environment& environment, const std::string& store,
                          const Options& options, const ProgressCallback& progress) {
  return Opener(environment, store, options, nullptr, progress).run();
}

Result<Opened> open_locked(const state::Environment& environment, const std::string& store,
                           const Options& options, std::shared_ptr<layout::StoreLock> lock) {
  return Opener(environment, store, options, std::move(lock)).run();
}

Result<std::unique_ptr<commit::Core>> start_core(
    const state::Environment& environment, const Options& options, const std::string& store,
    const std::string& directory, const layout::Manifest& manifest, const CopyAnalysis& copy,
    std::shared_ptr<layout::StoreLock> lock, bool compaction) {
  FLATKV_TRY(fs::ensure_directory(*environment.files, layout::flush_path(directory)));
  auto fault = std::make_shared<state::PoisonLatch>();
  const auto block_cache = rocks::make_block_cache(options.cache.block_cache_bytes);
  state::Databases databases;
  for (const Database which : kAllDatabases) {
    rocks::DbOptions db;
    db.path = layout::database_path(layout::working_path(directory), which);
    if (!copy.named.empty()) db.named = layout::database_path(copy.named, which);
    db.which = which;
    db.env = environment.rocks;
    db.block_cache = block_cache;
    db.background_compaction = compaction;
    db.on_background_error = [fault](const Error& error) { fault->set(error); };
    FLATKV_ASSIGN(databases[which], rocks::Db::open(db, rocks::Db::Mode::read_write));
    FLATKV_FAILPOINT("open.database_opened");
  }
  if (const auto tables = rocks::OpenTables::find(layout::working_path(directory))) {
    tables->log_to(Logger(options.log));
  }
  for (const Database which : kDataDatabases) {
    const DatabaseAnalysis& found = copy.data[which];
    if (!found.backfilled) continue;
    FLATKV_TRY(write_backfill(directory, *databases[which], which, found));
  }

  auto state = std::make_shared<state::State>();
  state->lifetime = std::make_shared<state::OpenGeneration>(
      environment, directory, databases, std::move(lock), options.reads.in_flight);
  state->account_rows = manifest.account_rows;
  state->version = copy.lowest();
  PerDataDatabase<LtHash> hashes;
  for (const Database which : kDataDatabases) {
    state::DbState& own = state->databases[which];
    hashes[which] = copy.data[which].hash;
    own.active = std::make_shared<memtable::Memtable>();
    FLATKV_ASSIGN(own.snapshot, databases[which]->snapshot());
    own.hash = std::make_shared<const LtHash>(hashes[which]);
    own.stats = copy.data[which].stats;
    own.version = copy.data[which].version;
  }
  state->roots = layout::roots_of(hashes);

  commit::CoreSetup setup;
  setup.environment = environment;
  setup.options = options;
  setup.store = store;
  setup.manifest = manifest;
  setup.lifetime = state->lifetime;
  setup.state = std::move(state);
  if (copy.metadata) setup.metadata_version = copy.metadata->version;
  setup.fault = std::move(fault);
  return std::make_unique<commit::Core>(std::move(setup));
}

}  // namespace flatkv::recovery

// What a repair finds before it builds anything: phase 1 of opening and full scans.
#include <algorithm>
#include <ranges>

#include "integrity/repair.hpp"

namespace flatkv::integrity {
namespace {

/// Whether phase 1 refused for what a database is, rather than for what surrounds it.
bool is_about_a_database(const Error& error, const store::Examination& found) {
  if (error.code == ErrorCode::log_gap) return true;
  return store::is_damage(error) && (error.database || found.copy.unusable);
}

}  // namespace

Repair::Repair(const store::Environment& environment, const std::string& store, Database which,
               const RepairOptions& options, std::shared_ptr<layout::StoreLock> lock)
    : environment_(environment),
      files_(*environment.files),
      store_(store),
      which_(which),
      options_(options),
      logger_(options.log),
      lock_(std::move(lock)) {
  report_.database = which;
}

Failure Repair::refuse(ErrorCode code, std::string message) const {
  return fail(code, std::move(message)).path(store_).database(which_);
}

scan::ScanOptions Repair::scan_options(std::string what, std::uint64_t rows) const {
  scan::ScanOptions options;
  options.threads = options_.threads;
  options.cancel = options_.cancel;
  if (options_.progress) {
    options.progress = [this, what = std::move(what), rows](std::uint64_t done) {
      options_.progress(what, done, std::max(done, rows));
    };
  }
  return options;
}

Result<bool> Repair::plan() {
  FLATKV_TRY(examine());
  FLATKV_TRY(read_live());
  FLATKV_TRY(find_log());
  FLATKV_TRY(check_durable());
  FLATKV_ASSIGN(const bool good, live_verifies());
  if (good) {
    report_.refusal = refusal_;
    return false;
  }
  // A repair stands on the others.
  if (missing_) return std::unexpected(another_is_damaged(*missing_));
  FLATKV_TRY(judge_snapshots());
  if (which_ == Database::metadata) {
    report_.source = RepairSource::local_meta;
  } else if (options_.stream == nullptr) {
    FLATKV_TRY(choose_snapshot());
  }
  return true;
}

Status Repair::examine() {
  const Status opens = store::examine(environment_, store_, found_);
  if (!opens) {
    if (!is_about_a_database(opens.error(), found_)) return opens;
    refusal_ = opens.error();
  }
  if (opens && found_.plan == store::Plan::new_log) {
    return refuse(ErrorCode::log_behind,
                  "the end of the changelog is lost, which an open mends first: `flatkv snapshot " +
                      store_ + "`");
  }
  // Of the metadata database alone: a damaged one as any other, which nothing is built on.
  const bool all_came = std::ranges::any_of(
      found_.copy.data, [](const store::DataFinding& own) { return own.of_another_store; });
  if (opens && all_came) {
    return refuse(
        ErrorCode::corruption,
        found_.copy.unusable->message + ", which an open mends: `flatkv snapshot " + store_ + "`");
  }
  for (const std::string& note : found_.notes) logger_.warning(note);
  place_.store = store_;
  place_.survey = found_.survey;
  place_.choice = found_.choice;
  place_.generation = found_.generation;
  place_.held = true;
  FLATKV_ASSIGN(snapshots_, layout::list_snapshots(files_, place_.generation, true));
  return {};
}

/// What each database says of itself, also where phase 1 stopped before it came to that.
Status Repair::read_live() {
  for (const Database which : layout::kDataDatabases) {
    auto meta = read_meta(which);
    if (meta) {
      live_.data[static_cast<std::size_t>(which)] = *std::move(meta);
    } else if (which != which_ && !missing_) {
      missing_ = std::move(meta).error();
      missing_->database = which;
    }
  }
  const auto opened = store::open_read_only(environment_, working(), Database::metadata);
  if (!opened) return {};
  auto meta = store::read_global_meta(*opened->snapshot);
  const bool ours = meta && *meta && !(*meta)->is_of_another(found_.manifest.store);
  if (ours) live_.metadata = std::move(*meta);
  return {};
}

Result<store::DataMeta> Repair::read_meta(Database which) const {
  FLATKV_ASSIGN(const auto opened, store::open_read_only(environment_, working(), which));
  FLATKV_ASSIGN(auto meta, store::read_data_meta(*opened.snapshot));
  if (meta.local) return meta;
  return fail(ErrorCode::corruption, "the database has no LocalMeta")
      .path(layout::database_path(working(), which))
      .database(which);
}

Error Repair::another_is_damaged(Error error) const {
  if (error.database && *error.database != which_ && store::is_damage(error)) {
    error.message = "another database is damaged too and has to be mended first: " + error.message +
                    "; `flatkv repair " + store_ + " --db " +
                    std::string(to_string(*error.database)) + "`";
  }
  return error;
}

Status Repair::find_log() {
  if (found_.log) {
    log_ = found_.log;
  } else if (found_.clean_believed) {
    FLATKV_ASSIGN(
        log_, history::survey_log(files_, place_, found_.manifest.store, found_.clean->version));
  }
  if (!log_) {
    return fail(ErrorCode::corruption, "there is no changelog, and nothing is repaired without it")
        .path(changelog());
  }
  std::optional<Error> problem;
  FLATKV_ASSIGN(reach_, history::find_reach(files_, place_, found_.manifest, snapshots_, problem));
  for (const history::Reach& one : reach_) {
    const bool to_the_end = one.log && one.last == log_->tip.version;
    if (to_the_end && one.log->base.version < log_->base.version) log_ = one.log;
  }
  known_by_.generation = place_.generation;
  known_by_.manifest = found_.manifest;
  known_by_.snapshots = snapshots_;
  known_by_.log = log_;
  known_by_.clean = found_.clean;
  known_by_.clean_believed = found_.clean_believed;
  report_.version = log_->tip.version;
  return {};
}

/// A walk that begins low enough for `from`, if the log has one that leads to its end.
Status Repair::consider_walk(std::int64_t from) {
  if (log_->base.version <= from) return {};
  FLATKV_ASSIGN(auto walk, history::survey_log(files_, place_, found_.manifest.store, from));
  if (walk && walk->base.version <= from && walk->tip.version == log_->tip.version) {
    log_ = std::move(walk);
    known_by_.log = log_;
    return {};
  }
  return refuse(ErrorCode::log_gap, "the changelog does not lead on from version " +
                                        std::to_string(from) + "; it keeps what follows version " +
                                        std::to_string(log_->base.version))
      .version(from);
}

/// Nothing that is known durable lies above the log's end: what a repair leaves ends there.
Status Repair::check_durable() const {
  std::int64_t durable = log_->synced;
  for (const auto& own : live_.data) {
    if (own) durable = std::max(durable, own->local->version);
  }
  if (live_.metadata) durable = std::max(durable, live_.metadata->version);
  for (const auto& snapshot : snapshots_) {
    if (snapshot.manifest) durable = std::max(durable, snapshot.version);
  }
  if (found_.clean) durable = std::max(durable, found_.clean->version);
  if (durable <= log_->tip.version) return {};
  std::string message = "the changelog reaches version " + std::to_string(log_->tip.version) +
                        ", but version " + std::to_string(durable) + " is known to be durable";
  if (log_->damage) message += "; a bad record is in the way: " + log_->damage->reason;
  return refuse(ErrorCode::log_behind, message + "; `flatkv info " + store_ + "` names ways out")
      .version(durable);
}

/// What the log, a snapshot or CLEAN has for a version; else what the other databases tell of it.
Result<std::optional<Roots>> Repair::expected(std::int64_t version) const {
  const store::KnownRoots known(files_, known_by_);
  FLATKV_ASSIGN(auto roots, known.at(version));
  if (roots) return roots;
  if (which_ != Database::metadata) {
    if (!live_.metadata || live_.metadata->version != version) return std::nullopt;
    return layout::roots_of(live_.metadata->hashes);
  }
  std::array<LtHash, 4> hashes;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto& own = live_.data[i];
    if (!own || own->local->version != version || !own->local->hash) return std::nullopt;
    hashes[i] = *own->local->hash;
  }
  return layout::roots_of(hashes);
}

Result<bool> Repair::live_verifies() {
  std::uint64_t rows = 0;
  if (which_ != Database::metadata) {
    const auto& own = live_.data[static_cast<std::size_t>(which_)];
    if (own && own->stats) rows = own->stats->rows;
  }
  const std::string what = std::string(to_string(which_)) + ", full scan";
  FLATKV_ASSIGN(auto verdict, judge_database(
                                  environment_, working(), which_, found_.manifest.store,
                                  [this](std::int64_t version) { return expected(version); },
                                  scan_options(what, rows)));
  report_.damage = std::move(verdict.damage);
  report_.checksum = verdict.checksum;
  if (!report_.damage && *verdict.version < log_->base.version) {
    report_.damage = refuse(ErrorCode::log_gap, "the changelog begins after version " +
                                                    std::to_string(log_->base.version) +
                                                    ", the database is older")
                         .version(*verdict.version)
                         .error();
  }
  if (report_.damage) {
    logger_.info("damaged: " + report_.damage->to_string());
    return false;
  }
  report_.version = *verdict.version;
  return true;
}

Status Repair::judge_snapshots() {
  for (std::size_t i = 0; i < snapshots_.size(); ++i) {
    const layout::SnapshotEntry& snapshot = snapshots_[i];
    Judged judged;
    judged.snapshot = i;
    for (const history::Reach& one : reach_) {
      if (one.snapshot == i) judged.log_leads_on = one.log && one.last == log_->tip.version;
    }
    judged.shared = shares_tables(files_, working(), snapshot.path, which_);
    if (!snapshot.manifest) {
      judged.why = snapshot.manifest.error().to_string();
    } else if (snapshot.manifest->manifest != found_.manifest) {
      judged.why = "it is of another store";
    } else {
      const layout::StateSummary& state = snapshot.manifest->state;
      const std::uint64_t rows =
          which_ == Database::metadata ? 0 : state.stats[static_cast<std::size_t>(which_)].rows;
      const std::string what = std::string(to_string(which_)) + " in the snapshot at version " +
                               std::to_string(snapshot.version);
      const auto wanted = [&](std::int64_t version) -> Result<std::optional<Roots>> {
        if (version == state.version) return layout::roots_of(state.hashes);
        return fail(ErrorCode::corruption, "the database is not at the snapshot's version");
      };
      FLATKV_ASSIGN(const Verdict verdict,
                    judge_database(environment_, snapshot.path, which_, found_.manifest.store,
                                   wanted, scan_options(what, rows)));
      judged.verifies = !verdict.damage;
      if (verdict.damage) judged.why = verdict.damage->to_string();
    }
    auto& list = judged.verifies ? report_.kept_snapshots : report_.dropped_snapshots;
    list.push_back(snapshot.version);
    if (!judged.verifies)
      logger_.info("snapshot passed over: " + snapshot.name + ": " + judged.why);
    judged_.push_back(std::move(judged));
  }
  return {};
}

Status Repair::choose_snapshot() {
  for (const Judged& one : judged_ | std::views::reverse) {
    if (!one.verifies || !one.log_leads_on) continue;
    source_ = one.snapshot;
    report_.source = RepairSource::snapshot;
    report_.source_version = snapshots_[one.snapshot].version;
    return {};
  }
  return no_source();
}

Status Repair::no_source() const {
  const bool all_shared = !judged_.empty() && std::ranges::all_of(judged_, [](const Judged& one) {
    return !one.verifies && one.shared;
  });
  const bool any_verifies =
      std::ranges::any_of(judged_, [](const Judged& one) { return one.verifies; });
  std::string message = report_.damage->message + "; there is nothing here to rebuild it from";
  if (all_shared) {
    message += ": every snapshot shares the damaged files (they are hard links)";
  }
  for (const Judged& one : judged_) {
    const layout::SnapshotEntry& snapshot = snapshots_[one.snapshot];
    message += "; " + snapshot.name + ": ";
    message += one.verifies ? "good, but the changelog does not lead on from it" : one.why;
  }
  if (judged_.empty()) message += ": no snapshot";
  message += "; ways out: `flatkv repair " + store_ + " --db " + std::string(to_string(which_)) +
             " --from STREAM` with an export of another node at a version from " +
             std::to_string(log_->base.version) + " to " + std::to_string(log_->tip.version) +
             ", or sync again: `flatkv import FILE " + store_ + " --force`";
  return refuse(any_verifies ? ErrorCode::log_gap : ErrorCode::corruption, message);
}

}  // namespace flatkv::integrity

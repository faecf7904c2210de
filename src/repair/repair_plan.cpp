// SPDX-License-Identifier: Apache-2.0
// Plans a repair: phase 1 of opening, and full scans.
#include <algorithm>
#include <ranges>

#include "layout/lock.hpp"
#include "layout/snapshot_chain.hpp"
#include "layout/snapshot_manifest.hpp"
#include "repair/repair.hpp"

namespace flatkv::repair {
namespace {

/// Whether phase 1 refused because of a database, and not because of its surroundings.
bool is_about_a_database(const Error& error, const recovery::RecoveryAnalysis& found) {
  if (error.code == ErrorCode::log_gap) return true;
  return recovery::is_damage(error) && (error.database || found.copy.unusable);
}

}  // namespace

Repair::Repair(const state::Environment& environment, const std::string& store,
               const std::vector<Database>& databases, const RepairOptions& options,
               std::shared_ptr<layout::StoreLock> lock)
    : environment_(environment),
      files_(*environment.files),
      store_(store),
      options_(options),
      logger_(options.log),
      lock_(std::move(lock)) {
  for (const Database which : databases) {
    if (asked_for(which)) continue;
    targets_.emplace_back();
    targets_.back().report.database = which;
  }
}

bool Repair::asked_for(Database which) const {
  return std::ranges::find(targets_, which, &Target::which) != targets_.end();
}

bool Repair::mends(Database which) const {
  return std::ranges::any_of(
      targets_, [&](const Target& one) { return one.which() == which && one.mended(); });
}

bool Repair::mends_data() const {
  return std::ranges::any_of(kDataDatabases, [this](Database one) { return mends(one); });
}

std::vector<RepairReport> Repair::reports() const {
  std::vector<RepairReport> all;
  for (const Target& one : targets_) {
    all.push_back(one.report);
    if (!one.mended()) continue;
    all.back().kept_snapshots = kept_snapshots_;
    all.back().dropped_snapshots = dropped_snapshots_;
  }
  return all;
}

Failure Repair::refuse(ErrorCode code, std::string message) const {
  return fail(code, std::move(message)).path(store_).database(targets_.front().which());
}

scan::ScanOptions Repair::scan_options(std::string what, std::uint64_t rows) const {
  scan::ScanOptions options;
  options.threads = options_.threads;
  options.stop = options_.stop;
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
  for (Target& one : targets_) FLATKV_TRY(judge_live(one));
  if (std::ranges::none_of(targets_, &Target::mended)) {
    for (Target& one : targets_) one.report.refusal = refusal_;
    return false;
  }
  // A repair relies on the other databases.
  if (!missing_.empty()) return std::unexpected(another_is_damaged(missing_.front()));
  FLATKV_TRY(judge_snapshots());
  for (Target& one : targets_) {
    if (!one.mended()) continue;
    if (one.which() == Database::metadata) {
      one.report.source = RepairSource::local_meta;
    } else if (options_.stream == nullptr) {
      FLATKV_TRY(choose_snapshot(one));
    }
  }
  return true;
}

Status Repair::examine() {
  const Status opens = recovery::analyze_store(environment_, store_, found_);
  if (!opens) {
    if (!is_about_a_database(opens.error(), found_)) return opens;
    refusal_ = opens.error();
  }
  if (opens && found_.plan == recovery::RecoveryPlan::new_log) {
    return refuse(
        ErrorCode::log_behind,
        "the end of the changelog is lost; an open repairs that: `flatkv snapshot " + store_ + "`");
  }
  // An open rebuilds foreign data databases. A foreign metadata database alone is damage like any
  // other: nothing is built on it.
  const bool all_came = std::ranges::any_of(
      found_.copy.data, [](const recovery::DatabaseAnalysis& own) { return own.of_another_store; });
  if (opens && all_came) {
    return refuse(ErrorCode::corruption, found_.copy.unusable->message +
                                             ", which an open repairs: `flatkv snapshot " + store_ +
                                             "`");
  }
  for (const std::string& note : found_.notes) logger_.warning(note);
  place_.store = store_;
  place_.survey = found_.survey;
  place_.choice = found_.choice;
  place_.generation = found_.generation;
  place_.held = true;
  FLATKV_ASSIGN(snapshots_, layout::list_chain_snapshots(files_, place_.generation, true));
  return {};
}

/// Reads the metadata of each database, even of those that phase 1 did not reach.
Status Repair::read_live() {
  for (const Database which : kDataDatabases) {
    auto meta = read_meta(which);
    if (meta) {
      live_.data[which] = *std::move(meta);
    } else if (!asked_for(which)) {
      missing_.push_back(std::move(meta).error());
      missing_.back().database = which;
    }
  }
  const auto opened = recovery::open_read_only(environment_, working(), Database::metadata);
  if (!opened) return {};
  auto meta = state::read_global_meta(*opened->snapshot);
  const bool ours = meta && *meta && !(*meta)->is_of_another(found_.manifest.store);
  if (ours) live_.metadata = std::move(*meta);
  return {};
}

Result<state::DataMeta> Repair::read_meta(Database which) const {
  FLATKV_ASSIGN(const auto opened, recovery::open_read_only(environment_, working(), which));
  FLATKV_ASSIGN(auto meta, state::read_data_meta(*opened.snapshot));
  if (meta.local) return meta;
  return fail(ErrorCode::corruption, "the database has no LocalMeta")
      .path(layout::database_path(working(), which))
      .database(which);
}

/// The command that repairs the damaged databases of this run and `more` together: one after the
/// other, each repair would wait for the other.
std::string Repair::command_with(const std::vector<Database>& more) const {
  std::string command = "`flatkv repair " + store_;
  for (const Database which : kAllDatabases) {
    const bool named = mends(which) || std::ranges::find(more, which) != more.end();
    if (named) command += " --db " + std::string(to_string(which));
  }
  return command + (options_.stream != nullptr ? " --from STREAM`" : "`");
}

Error Repair::another_is_damaged(Error error) const {
  if (!error.database || mends(*error.database) || !recovery::is_damage(error)) return error;
  std::vector<Database> damaged = {*error.database};
  for (const Error& one : missing_) damaged.push_back(*one.database);
  error.message = "another database is damaged too: " + error.message +
                  "; repair all damaged databases in one run: " + command_with(damaged);
  return error;
}

Status Repair::find_log() {
  if (found_.log) {
    log_ = found_.log;
  } else if (found_.clean_believed) {
    FLATKV_ASSIGN(log_,
                  recovery::walk_log(files_, place_, found_.manifest.store, found_.clean->version));
  }
  if (!log_) {
    return fail(ErrorCode::corruption, "there is no changelog, and nothing is repaired without it")
        .path(changelog());
  }
  std::optional<Error> problem;
  FLATKV_ASSIGN(reach_, recovery::find_reach(files_, place_, found_.manifest, snapshots_, problem));
  for (const recovery::Reach& one : reach_) {
    const bool to_the_end = one.log && one.last == log_->tip.version;
    if (to_the_end && one.log->base.version < log_->base.version) log_ = one.log;
  }
  known_by_.generation = place_.generation;
  known_by_.manifest = found_.manifest;
  known_by_.snapshots = snapshots_;
  known_by_.log = log_;
  known_by_.clean = found_.clean;
  known_by_.clean_believed = found_.clean_believed;
  for (Target& one : targets_) one.report.version = log_->tip.version;
  return {};
}

/// Looks for a walk that begins low enough for `from` and reaches the log's end.
Status Repair::consider_walk(std::int64_t from) {
  if (log_->base.version <= from) return {};
  FLATKV_ASSIGN(auto walk, recovery::walk_log(files_, place_, found_.manifest.store, from));
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

/// No version above the log's end may be known durable: a repaired store ends there.
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

/// The roots of a version from the log, a snapshot or CLEAN; otherwise from the metadata of the
/// databases that were not asked for.
Result<std::optional<Roots>> Repair::expected(std::int64_t version) const {
  const recovery::KnownRoots known(files_, known_by_);
  FLATKV_ASSIGN(auto roots, known.at(version));
  if (roots) return roots;
  if (!asked_for(Database::metadata)) {
    if (!live_.metadata || live_.metadata->version != version) return std::nullopt;
    return layout::roots_of(live_.metadata->hashes);
  }
  PerDataDatabase<LtHash> hashes;
  for (const Database which : kDataDatabases) {
    const auto& own = live_.data[which];
    if (asked_for(which) || !own || own->local->version != version || !own->local->hash) {
      return std::nullopt;
    }
    hashes[which] = *own->local->hash;
  }
  return layout::roots_of(hashes);
}

Status Repair::judge_live(Target& target) {
  const Database which = target.which();
  std::uint64_t rows = 0;
  if (which != Database::metadata) {
    const auto& own = live_.data[which];
    if (own && own->stats) rows = own->stats->rows;
  }
  const std::string what = std::string(to_string(which)) + ", full scan";
  FLATKV_ASSIGN(auto verdict, judge_database(
                                  environment_, working(), which, found_.manifest.store,
                                  [this](std::int64_t version) { return expected(version); },
                                  scan_options(what, rows)));
  RepairReport& report = target.report;
  report.damage = std::move(verdict.damage);
  report.checksum = verdict.checksum;
  if (!report.damage && *verdict.version < log_->base.version) {
    report.damage = refuse(ErrorCode::log_gap, "the changelog begins after version " +
                                                   std::to_string(log_->base.version) +
                                                   ", the database is older")
                        .database(which)
                        .version(*verdict.version)
                        .error();
  }
  if (report.damage) {
    logger_.info("damaged: " + report.damage->to_string());
  } else {
    report.version = *verdict.version;
  }
  return {};
}

bool Repair::Judged::all_verify() const {
  return std::ranges::all_of(of, [](const auto& one) { return one.second.verifies; });
}

Status Repair::judge_snapshots() {
  for (std::size_t i = 0; i < snapshots_.size(); ++i) {
    const layout::SnapshotEntry& snapshot = snapshots_[i];
    Judged judged;
    judged.snapshot = i;
    for (const recovery::Reach& one : reach_) {
      if (one.snapshot == i) judged.log_leads_on = one.log && one.last == log_->tip.version;
    }
    for (const Target& target : targets_) {
      if (!target.mended()) continue;
      Judged::Finding& finding = judged.of[target.which()];
      finding.shared = shares_tables(files_, working(), snapshot.path, target.which());
      FLATKV_ASSIGN(const Verdict verdict, judge_in(snapshot, target.which()));
      finding.verifies = !verdict.damage;
      if (finding.verifies) continue;
      finding.why = verdict.damage->to_string();
      logger_.info("snapshot skipped: " + snapshot.name + ": " + finding.why);
    }
    auto& list = judged.all_verify() ? kept_snapshots_ : dropped_snapshots_;
    list.push_back(snapshot.version);
    judged_.push_back(std::move(judged));
  }
  return {};
}

Result<Verdict> Repair::judge_in(const layout::SnapshotEntry& snapshot, Database which) const {
  if (!snapshot.manifest) {
    Verdict verdict;
    verdict.damage = snapshot.manifest.error();
    return verdict;
  }
  const layout::StateSummary& state = snapshot.manifest->state;
  const std::uint64_t rows = which == Database::metadata ? 0 : state.stats[which].rows;
  const std::string what = std::string(to_string(which)) + " in the snapshot at version " +
                           std::to_string(snapshot.version);
  const auto wanted = [&](std::int64_t version) -> Result<std::optional<Roots>> {
    if (version == state.version) return layout::roots_of(state.hashes);
    return fail(ErrorCode::corruption, "the database is not at the snapshot's version");
  };
  return judge_database(environment_, snapshot.path, which, found_.manifest.store, wanted,
                        scan_options(what, rows));
}

Status Repair::choose_snapshot(Target& target) const {
  for (const Judged& one : judged_ | std::views::reverse) {
    if (!one.of.at(target.which()).verifies || !one.log_leads_on) continue;
    target.source = one.snapshot;
    target.report.source = RepairSource::snapshot;
    target.report.source_version = snapshots_[one.snapshot].version;
    return {};
  }
  return no_source(target);
}

Status Repair::no_source(const Target& target) const {
  const Database which = target.which();
  const bool all_shared = !judged_.empty() && std::ranges::all_of(judged_, [&](const Judged& one) {
    return !one.of.at(which).verifies && one.of.at(which).shared;
  });
  const bool any_verifies =
      std::ranges::any_of(judged_, [&](const Judged& one) { return one.of.at(which).verifies; });
  std::string message =
      target.report.damage->message + "; there is nothing here to rebuild it from";
  if (all_shared) {
    message += ": every snapshot shares the damaged files (they are hard links)";
  }
  for (const Judged& one : judged_) {
    const layout::SnapshotEntry& snapshot = snapshots_[one.snapshot];
    const Judged::Finding& finding = one.of.at(which);
    message += "; " + snapshot.name + ": ";
    message += finding.verifies ? "good, but the changelog does not lead on from it" : finding.why;
  }
  if (judged_.empty()) message += ": no snapshot";
  std::string command = command_with({});
  command.insert(command.size() - 1, " --from STREAM");
  message += "; ways out: " + command + " with an export of another node at a version from " +
             std::to_string(log_->base.version) + " to " + std::to_string(log_->tip.version) +
             ", or sync again: `flatkv import FILE " + store_ + " --force`";
  return refuse(any_verifies ? ErrorCode::log_gap : ErrorCode::corruption, message).database(which);
}

}  // namespace flatkv::repair

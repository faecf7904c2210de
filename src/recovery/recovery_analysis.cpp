// SPDX-License-Identifier: Apache-2.0
#include "recovery/recovery_analysis.hpp"

#include <algorithm>
#include <limits>
#include <ranges>
#include <set>

#include "changelog/reader.hpp"
#include "fs/files.hpp"
#include "layout/snapshot_chain.hpp"
#include "layout/snapshot_manifest.hpp"
#include "recovery/clean_check.hpp"

namespace flatkv::recovery {
namespace {

using layout::SnapshotEntry;

class Examiner {
 public:
  Examiner(const state::Environment& environment, RecoveryAnalysis& found)
      : environment_(environment), files_(*environment.files), found_(found) {}

  Status run() {
    FLATKV_TRY(find_generation());
    FLATKV_TRY(read_own_clean(files_, found_));
    FLATKV_TRY(look_at_databases_and_log());
    collect_durable();
    if (found_.clean_believed) return {};
    FLATKV_TRY(judge_log());
    if (found_.plan != RecoveryPlan::open) return {};
    return judge_copy();
  }

 private:
  std::string changelog() const { return layout::changelog_path(found_.generation); }

  Failure refuse(ErrorCode code, std::string message) const {
    return fail(code, std::move(message)).path(found_.generation);
  }

  // docs/specification.md#store-and-manifest
  Status find_generation() {
    FLATKV_ASSIGN(found_.survey, layout::survey_store(files_, found_.store));
    FLATKV_ASSIGN(found_.choice, layout::choose_generation(found_.store, found_.survey));
    found_.generation = fs::join(found_.store, found_.choice.name);
    if (found_.choice.current_missing) {
      found_.notes.push_back("CURRENT is missing or bad; the only complete generation, " +
                             found_.choice.name + ", is used");
    }
    FLATKV_TRY(refuse_links());
    FLATKV_ASSIGN(found_.snapshots, layout::list_snapshots(files_, found_.generation, false));
    FLATKV_TRY(layout::check_directories(files_, found_.generation));
    FLATKV_ASSIGN(found_.manifest, layout::read_manifest(files_, found_.generation));
    return {};
  }

  /// Refuses symbolic links inside a store: nothing is read through one, and none counts as a
  /// missing piece. (A directory in place of a file makes the database unusable, see
  /// `analyze_copy`.)
  Status refuse_links() {
    const std::string working = layout::working_path(found_.generation);
    std::vector<std::string> all = {changelog(), layout::flush_path(found_.generation), working};
    FLATKV_ASSIGN(const bool there, fs::exists(files_, working, fs::FileType::directory));
    if (there) {
      for (const Database which : kAllDatabases) {
        all.push_back(layout::database_path(working, which));
      }
    }
    for (const std::string& path : all) {
      FLATKV_ASSIGN(const bool is_there, fs::exists(files_, path, fs::FileType::directory));
      if (is_there && path != working) FLATKV_TRY(refuse_all_but_files(path));
    }
    return {};
  }

  Status refuse_all_but_files(const std::string& directory) {
    FLATKV_ASSIGN(const auto entries, files_.list(directory));
    for (const auto& entry : entries) {
      const bool database = fs::parent(directory) == layout::working_path(found_.generation);
      if (entry.type == fs::FileType::file) continue;
      if (database && entry.type == fs::FileType::directory) continue;
      return fail(ErrorCode::corruption,
                  "not a file: no link is followed and nothing else belongs here")
          .path(fs::join(directory, entry.name));
    }
    return {};
  }

  // Reads the databases of the working copy, and walks the log as far as they need it.
  Status look_at_databases_and_log() {
    FLATKV_ASSIGN(const bool fits, clean_fits_log(files_, found_));
    const KnownRoots known(files_, found_);
    const std::string working = layout::working_path(found_.generation);
    if (fits) {
      found_.clean_believed = true;  // from here on KnownRoots may use CLEAN
      const bool unflushed = found_.clean->unflushed != 0;
      if (unflushed) {
        FLATKV_ASSIGN(found_.log, walk_unflushed(files_, found_));
      }
      if (!unflushed || found_.log) {
        auto copy = analyze_copy(environment_, working, known);
        if (copy && clean_fits_copy(*found_.clean, *copy)) {
          found_.copy = std::move(*copy);
          found_.reached = found_.clean->version;
          return {};
        }
      }
      found_.clean_believed = false;
      found_.log.reset();
    }
    FLATKV_TRY(layout::set_strays_apart(files_, found_.generation, found_.manifest.store,
                                        found_.snapshots));
    // Read the versions first: they say where the walk must start.
    changelog::SurveyOptions options;
    options.store = found_.manifest.store;
    options.from_version = lowest_version(working);
    FLATKV_ASSIGN(found_.log, changelog::walk_segments(files_, changelog(), options));
    if (found_.log) found_.reached = found_.log->tip.version;
    FLATKV_ASSIGN(found_.copy, analyze_copy(environment_, working, known));
    return {};
  }

  /// min Lᵢ of the working copy, or the version of the snapshot that would replace the copy.
  std::int64_t lowest_version(const std::string& working) const {
    if (is_of_another_store(working)) return newest_snapshot();
    std::int64_t lowest = std::numeric_limits<std::int64_t>::max();
    for (const Database which : kDataDatabases) {
      rocks::DbOptions options;
      options.path = layout::database_path(working, which);
      options.which = which;
      options.env = environment_.rocks;
      const auto version = local_version(options);
      if (!version) return newest_snapshot();
      lowest = std::min(lowest, *version);
    }
    return lowest;
  }

  std::int64_t newest_snapshot() const {
    for (const SnapshotEntry& snapshot : found_.snapshots | std::views::reverse) {
      if (snapshot.manifest) return snapshot.version;
    }
    return found_.manifest.initial_version - 1;
  }

  bool is_of_another_store(const std::string& working) const {
    const auto opened = open_read_only(environment_, working, Database::metadata);
    if (!opened) return false;
    const auto meta = state::read_global_meta(*opened->snapshot);
    return meta && *meta && (*meta)->is_of_another(found_.manifest.store);
  }

  static std::optional<std::int64_t> local_version(const rocks::DbOptions& options) {
    auto db = rocks::Db::open(options, rocks::Db::Mode::read_only);
    if (!db) return std::nullopt;
    auto snapshot = (*db)->snapshot();
    if (!snapshot) return std::nullopt;
    auto meta = state::read_data_meta(**snapshot);
    if (!meta || !meta->local) return std::nullopt;
    return meta->local->version;
  }

  void collect_durable() {
    std::int64_t& durable = found_.durable;
    durable = found_.manifest.initial_version - 1;
    if (found_.log) durable = std::max(durable, found_.log->synced);
    for (const DatabaseAnalysis& own : found_.copy.data) {
      if (!own.problem && !own.of_another_store) durable = std::max(durable, own.version);
    }
    if (found_.copy.metadata && !found_.copy.of_another_store) {
      durable = std::max(durable, found_.copy.metadata->version);
    }
    for (const SnapshotEntry& snapshot : found_.snapshots) {
      if (snapshot.manifest) {
        durable = std::max(durable, snapshot.version);
      } else {
        found_.notes.push_back("snapshot skipped: " + snapshot.manifest.error().to_string());
      }
    }
    if (found_.clean) durable = std::max(durable, found_.clean->version);
  }

  bool damaged() const {
    return found_.log && found_.log->damage && !found_.log->damage->zeros_only;
  }

  // docs/specification.md#lost-log
  Status judge_log() {
    const bool behind = !found_.reached || *found_.reached < found_.durable;
    if (found_.log && found_.log->undone) {
      found_.notes.push_back("an undo is finished: the store continues at version " +
                             std::to_string(*found_.reached));
    }
    if (!behind && !damaged()) return {};
    // With durability `process` or `group`, a page that was never synced may be lost although a
    // later page was written back. So a hole above D is a lost suffix, not damage, and is cut
    // below. A bad record that no database needs is damage only if blocks that the databases lack
    // stand above it: a new log would give those up.
    if (damaged() && found_.log->damage->valid_above && behind &&
        (needed_for_replay() || found_.log->damage->highest_above > found_.durable)) {
      const changelog::Break& bad = *found_.log->damage;
      return fail(ErrorCode::corruption, "a bad record with valid ones above it: " + bad.reason +
                                             "; ways out: `flatkv rollback STORE " +
                                             std::to_string(*found_.reached) + "`")
          .path(fs::join(changelog(), bad.segment))
          .version(bad.version)
          .offset(bad.offset);
    }
    if (!behind) {  // no lost record was known to be durable
      const changelog::Break& bad = *found_.log->damage;
      found_.notes.push_back(
          "the changelog is cut at " + fs::join(changelog(), bad.segment) + " offset " +
          std::to_string(bad.offset) + " (version " + std::to_string(bad.version) + ": " +
          bad.reason + "); the store continues at version " + std::to_string(*found_.reached));
      return {};
    }
    if (log_is_gone()) return no_log();
    if (only_log_lost()) {
      found_.plan = RecoveryPlan::new_log;
      found_.notes.push_back(
          "the end of the changelog is lost but nothing else: all databases are "
          "at version " +
          std::to_string(found_.durable) + ", and a new log begins there");
      return {};
    }
    return log_behind();
  }

  bool needed_for_replay() const {
    return found_.copy.unusable || found_.log->damage->version > found_.copy.lowest();
  }

  bool only_log_lost() const {
    return !found_.copy.unusable && found_.copy.level_at(found_.durable) &&
           (!found_.copy.metadata || found_.copy.metadata->version == found_.durable);
  }

  /// A live store always has a segment. Without one, blocks after the last flush may be lost even
  /// if all databases agree; only CLEAN proves otherwise.
  bool log_is_gone() const {
    return !found_.log && !clean_tells_of_copy(found_.clean, found_.copy, found_.durable);
  }

  Status no_log() const {
    return fail(
               ErrorCode::log_behind,
               "there is no changelog, and no CLEAN that tells where it ended; a live store always "
               "has one, and blocks above version " +
                   std::to_string(found_.durable) + " may have been lost with it" + ways_out())
        .path(changelog())
        .version(found_.durable);
  }

  Status log_behind() const {
    std::string message = "the changelog reaches version ";
    message += found_.reached ? std::to_string(*found_.reached) : std::string("(no log)");
    message += ", but version " + std::to_string(found_.durable) + " is known to be durable;";
    for (const Database which : kDataDatabases) {
      const DatabaseAnalysis& own = found_.copy.data[which];
      message += " " + std::string(to_string(which)) + " is at " +
                 (own.problem ? std::string("?") : std::to_string(own.version));
    }
    if (found_.copy.unusable) message += "; " + found_.copy.unusable->message;
    return refuse(ErrorCode::log_behind, message + ways_out()).version(found_.durable);
  }

  std::string ways_out() const {
    std::set<std::int64_t> reachable;
    if (found_.reached) reachable.insert(*found_.reached);
    for (const SnapshotEntry& snapshot : found_.snapshots) {
      if (snapshot.manifest) reachable.insert(snapshot.version);
    }
    if (reachable.empty()) return "; no snapshot is left to go back to: `flatkv info STORE`";
    std::string text = "; ways out:";
    for (const std::int64_t version : reachable) {
      text += " `flatkv rollback STORE " + std::to_string(version) + "`";
    }
    return text;
  }

  // docs/specification.md#missing-metadata-database (its plan) and
  // #rebuilding-the-working-copy.
  Status judge_copy() {
    const bool gap =
        !found_.copy.unusable && found_.log && found_.log->base.version > found_.copy.lowest();
    if (!found_.copy.unusable && !gap) {
      if (!found_.copy.metadata) {
        found_.plan = RecoveryPlan::new_metadata;
        found_.notes.push_back("the metadata database is rebuilt: " +
                               found_.copy.metadata_problem->to_string());
      }
      return {};
    }
    return choose_rebuild(gap);
  }

  Status choose_rebuild(bool gap) {
    const std::string why = gap ? "the changelog begins after version " +
                                      std::to_string(found_.log->base.version) +
                                      ", a database is at " + std::to_string(found_.copy.lowest())
                                : found_.copy.unusable->to_string();
    std::string tried;
    const KnownRoots known(files_, found_);
    for (std::size_t i = found_.snapshots.size(); i-- > 0;) {
      const SnapshotEntry& snapshot = found_.snapshots[i];
      Status good = snapshot_serves(snapshot, known);
      if (good) {
        found_.plan = RecoveryPlan::rebuild;
        found_.rebuild_from = i;
        found_.notes.push_back("the working copy is rebuilt from the snapshot at version " +
                               std::to_string(snapshot.version) + ": " + why);
        return {};
      }
      tried += "; " + snapshot.name + ": " + good.error().message;
    }
    Error error = gap ? refuse(ErrorCode::log_gap, why).error() : Error(*found_.copy.unusable);
    error.message += "; no snapshot can replace the working copy" + tried;
    return std::unexpected(std::move(error));
  }

  /// Whether a snapshot is complete and the chain of the log leads from it to W.
  Status snapshot_serves(const SnapshotEntry& snapshot, const KnownRoots& known) {
    if (!snapshot.manifest) return std::unexpected(snapshot.manifest.error());
    FLATKV_TRY(layout::check_snapshot_files(files_, snapshot.path, *snapshot.manifest));
    FLATKV_ASSIGN(const bool reaches, log_reaches_from(snapshot));
    if (!reaches) {
      return fail(ErrorCode::log_gap, "the changelog does not lead on from it");
    }
    FLATKV_ASSIGN(const CopyAnalysis copy, analyze_copy(environment_, snapshot.path, known));
    if (copy.unusable) return std::unexpected(*copy.unusable);
    if (!copy.level_at(snapshot.version)) {
      return fail(ErrorCode::corruption, "its databases are not at its version");
    }
    return {};
  }

  Result<bool> log_reaches_from(const SnapshotEntry& snapshot) {
    if (!found_.log) return false;
    changelog::SurveyOptions options;
    options.store = found_.manifest.store;
    options.from_version = snapshot.version;
    FLATKV_ASSIGN(const auto walk, changelog::walk_segments(files_, changelog(), options));
    if (!walk || walk->tip.version != *found_.reached) return false;
    FLATKV_ASSIGN(const layout::OnChain place,
                  layout::on_chain(files_, changelog(), *walk, *snapshot.manifest));
    return place == layout::OnChain::yes;
  }

  const state::Environment& environment_;
  fs::FileSystem& files_;
  RecoveryAnalysis& found_;
};

}  // namespace

Result<std::optional<Roots>> KnownRoots::at(std::int64_t version) const {
  if (found_.clean_believed && found_.clean && found_.clean->version == version) {
    return found_.clean->roots;
  }
  if (found_.log && version > found_.log->base.version && version <= found_.log->tip.version) {
    FLATKV_ASSIGN(const auto header,
                  changelog::find_header(files_, layout::changelog_path(found_.generation),
                                         *found_.log, found_.manifest.store, version));
    if (header) return header->roots;
  }
  for (const SnapshotEntry& snapshot : found_.snapshots) {
    if (snapshot.manifest && snapshot.version == version) {
      return layout::roots_of(snapshot.manifest->state.hashes);
    }
  }
  return std::nullopt;
}

std::int64_t RecoveryAnalysis::undo_floor() const {
  std::int64_t floor = std::max(copy.highest(), manifest.initial_version - 1);
  if (copy.metadata) floor = std::max(floor, copy.metadata->version);
  if (log) floor = std::max(floor, log->base.version);
  for (const SnapshotEntry& snapshot : snapshots) {
    if (snapshot.manifest) floor = std::max(floor, snapshot.version);
  }
  return floor;
}

Status analyze_store(const state::Environment& environment, const std::string& store,
                     RecoveryAnalysis& found) {
  found.store = store;
  return Examiner(environment, found).run();
}

}  // namespace flatkv::recovery

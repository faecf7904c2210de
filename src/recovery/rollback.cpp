// SPDX-License-Identifier: Apache-2.0
#include "recovery/rollback.hpp"

#include <algorithm>
#include <mutex>
#include <ranges>

#include "base/failpoint.hpp"
#include "base/fork.hpp"
#include "base/guard.hpp"
#include "base/log.hpp"
#include "blake3/kernel.hpp"
#include "fs/files.hpp"
#include "layout/cleanup.hpp"
#include "layout/lock.hpp"
#include "layout/snapshot_chain.hpp"
#include "layout/snapshot_manifest.hpp"
#include "recovery/open_store.hpp"
#include "recovery/replay.hpp"
#include "state/check_options.hpp"

namespace flatkv {
namespace recovery {
namespace {

/// More blocks are not undone but replayed from a snapshot: each costs 10 KiB of memory.
constexpr std::int64_t kMostUndone = 1024;

Options options_of(const RollbackOptions& given) {
  Options options;
  options.cache.block_cache_bytes = given.block_cache_bytes;
  options.flush.write_buffer_bytes = given.write_buffer_bytes;
  options.threads = given.threads;
  options.log = given.log;
  return options;
}

bool can_undo(const RecoveryAnalysis& found, std::int64_t version) {
  return found.plan == RecoveryPlan::open && found.reached && version < *found.reached &&
         version >= found.undo_floor() && *found.reached - version <= kMostUndone;
}

/// Opens the store, undoes the blocks above `version` and closes it. False, and the store is at the
/// version where it was, if it does not open (a logged block above the version may be what is
/// wrong), or if the blocks that the databases lack do not fit into the write buffer.
Result<bool> undo_closed(const state::Environment& environment, const std::string& store,
                         std::int64_t version, const RecoveryAnalysis& found, Options options,
                         std::shared_ptr<layout::StoreLock> lock) {
  options.rollback_depth = static_cast<std::uint32_t>(*found.reached - version);
  options.recent_versions = 0;
  options.snapshot.interval = 0;
  const auto opened = open_locked(environment, store, options, std::move(lock));
  if (!opened) {
    Logger(options.log)
        .warning("the blocks cannot be undone in place, since the store does not open: " +
                 opened.error().to_string());
    return false;
  }
  FLATKV_ASSIGN(const bool undone, opened->core->undo(version));
  FLATKV_TRY(opened->core->close());
  return undone;
}

/// Of a store that is at the version already. The process that brought it there may have died, or
/// failed, before CURRENT, UNDO or the end of the log were synced: a power cut would take it back.
Status keep_as_found(fs::FileSystem& files, const RecoveryAnalysis& found) {
  FLATKV_TRY(files.sync_directory(found.store));
  if (!found.log) return {};
  const std::string log = layout::changelog_path(found.generation);
  FLATKV_TRY(files.sync_directory(log));
  FLATKV_ASSIGN(const auto end, files.open_append(fs::join(log, found.log->tip.segment)));
  return end->sync();
}

}  // namespace

void Rollback::tell_undoable(std::int64_t floor, std::int64_t tip) {
  if (floor >= tip) return;
  undoable_ = "; the last " + std::to_string(tip - floor) +
              " blocks can be undone at once, down to version " + std::to_string(floor);
}

Status Rollback::plan(std::int64_t version) {
  version_ = version;
  step("looking for the version");
  FLATKV_ASSIGN(manifest_, layout::read_manifest(files_, place_.generation));
  FLATKV_ASSIGN(snapshots_, layout::list_chain_snapshots(files_, place_.generation, true));
  FLATKV_ASSIGN(reach_, find_reach(files_, place_, manifest_, snapshots_, log_problem_));
  FLATKV_TRY(choose_source());
  open_names();
  return choose_log();
}

void Rollback::open_names() {
  if (names_) return;
  names_ = std::make_shared<changes::NamedCursors>(
      files_, place_.store, manifest_.store,
      [lock = lock_, store = place_.store] { return lock->check(store); }, Logger(options_.log));
}

Status Rollback::choose_source() {
  // Take the newest snapshot from which the log leads to the target; only without one, a snapshot
  // of the target itself that the log does not lead through.
  std::optional<std::size_t> alone;
  for (std::size_t i = reach_.size(); i-- > 0;) {
    const Reach& one = reach_[i];
    if (one.version > version_ || one.last < version_) continue;
    if (one.log) {
      source_ = i;
      return {};
    }
    if (!alone) alone = i;
  }
  if (!alone) return refuse();
  source_ = *alone;
  Logger(options_.log).warning(layout::unknown_place(snapshots_[reach_[source_].snapshot]));
  return {};
}

Status Rollback::refuse() const {
  std::string message =
      "this version cannot be reached; snapshots and changelog reach " + range_text(reach_);
  message += undoable_;
  if (log_problem_) message += "; " + log_problem_->to_string();
  return fail(ErrorCode::version_mismatch, message).path(place_.store).version(version_);
}

Status Rollback::choose_log() {
  if (!reach_[source_].log) return {};
  // Carry the log from the oldest snapshot that may need it.
  const auto oldest = std::ranges::find_if(reach_, [&](const Reach& one) {
    return one.log && one.version <= version_ && version_ <= one.last;
  });
  carry_ = oldest->log;
  return carry_more_log();
}

/// Takes along what is below, as far as names need it. Damage there does not stop a rollback.
Status Rollback::carry_more_log() {
  const std::int64_t wanted = carry_->base.version;
  FLATKV_ASSIGN(const std::int64_t from,
                names_->needed_of(layout::changelog_path(place_.generation), wanted,
                                  options_.log_keep_bytes));
  if (from >= wanted) return {};
  auto walk = walk_log(files_, place_, manifest_.store, from);
  // A gap is passed by beginning above it.
  auto at = from;
  for (auto next = gap_end(walk); next && *next > at && *next < wanted; next = gap_end(walk)) {
    at = *next;
    walk = walk_log(files_, place_, manifest_.store, at);
  }
  if (walk && *walk && (*walk)->base.version < wanted && (*walk)->tip.version >= version_) {
    carry_ = *std::move(walk);
  }
  return {};
}

Status Rollback::build() {
  if (place_.choice.current_missing) {
    // Without this, a crash between rename and swap would leave two complete generations and no
    // CURRENT.
    FLATKV_TRY(layout::swap_current(files_, place_.store, place_.choice.name));
  }
  FLATKV_FAILPOINT("rollback.begin");
  FLATKV_TRY(lock_->check(place_.store));
  FLATKV_ASSIGN(builder_, GenerationBuilder::begin(environment_, place_.store, place_.survey,
                                                   layout::Purpose::rollback, manifest_));
  FLATKV_FAILPOINT("rollback.begun");
  step("linking files");
  FLATKV_TRY(carry_log());
  FLATKV_FAILPOINT("rollback.log_carried");
  FLATKV_TRY(carry_snapshots());
  FLATKV_FAILPOINT("rollback.snapshots_carried");
  const std::string& source = snapshots_[reach_[source_].snapshot].path;
  for (const Database which : kAllDatabases) {
    FLATKV_TRY(builder_->carry_database(which, layout::database_path(source, which)));
  }
  FLATKV_FAILPOINT("rollback.copy_carried");
  FLATKV_TRY(replay());
  FLATKV_FAILPOINT("rollback.proven");
  return names_->begin_undo(version_);
}

Status Rollback::carry_log() {
  if (carry_) return builder_->carry_log(place_.generation, *carry_, version_);
  const auto& snapshot = *snapshots_[reach_[source_].snapshot].manifest;
  return builder_->new_log({version_, snapshot.chain});
}

Status Rollback::carry_snapshots() {
  for (const Reach& one : reach_) {
    if (one.version > version_) continue;
    // The log covers its version but does not lead through it: it is of another branch.
    if (!one.log && carry_ && one.version >= carry_->base.version) continue;
    FLATKV_TRY(builder_->carry_snapshot(snapshots_[one.snapshot]));
  }
  return {};
}

Status Rollback::replay() {
  RecoveryAnalysis known_by;
  known_by.generation = place_.generation;
  known_by.manifest = manifest_;
  known_by.snapshots = snapshots_;
  known_by.log = reach_[source_].log;
  const KnownRoots known(files_, known_by);
  const std::string working = layout::working_path(builder_->path());
  FLATKV_ASSIGN(auto copy, analyze_copy(environment_, working, known,
                                        snapshots_[reach_[source_].snapshot].path));
  if (copy.unusable) return std::unexpected(*copy.unusable);
  if (!copy.level_at(reach_[source_].version)) {
    return fail(ErrorCode::corruption, "the snapshot's databases are not at its version")
        .path(snapshots_[reach_[source_].snapshot].path)
        .version(reach_[source_].version);
  }
  {
    FLATKV_ASSIGN(auto core, start_core(environment_, replay_options(options_), place_.store,
                                        builder_->path(), manifest_, copy, lock_, false));
    if (reach_[source_].version < version_) {
      const std::string log = layout::changelog_path(place_.generation);
      FLATKV_ASSIGN(auto reader,
                    changelog::Reader::open(files_, log, *reach_[source_].log, manifest_.store,
                                            reach_[source_].version + 1, true));
      const ReplayOptions replay{.stop = stop_,
                                 .progress = [this](std::uint64_t done, std::uint64_t total) {
                                   step("replaying", done, total);
                                 }};
      FLATKV_TRY(replay_records(*core, reader, log, version_, replay));
    }
    FLATKV_FAILPOINT("rollback.replayed");
    step("writing");
    FLATKV_TRY(core->flush(true));
    FLATKV_FAILPOINT("rollback.flushed");
    FLATKV_TRY(core->close());
  }
  for (const Database which : kAllDatabases) {
    FLATKV_TRY(files_.sync_directory(layout::database_path(working, which)));
  }
  step("proving");
  // Check what is on disk, not what was in memory.
  FLATKV_ASSIGN(copy, analyze_copy(environment_, working, known));
  return prove(copy, known);
}

Status Rollback::prove(const CopyAnalysis& copy, const KnownRoots& known) {
  const auto wrong = [&](std::string message) {
    return fail(ErrorCode::corruption, std::move(message)).path(builder_->path()).version(version_);
  };
  if (copy.unusable) return std::unexpected(*copy.unusable);
  if (!copy.level_at(version_) || !copy.metadata || copy.metadata->version != version_) {
    return wrong("the databases did not reach the version");
  }
  PerDataDatabase<LtHash> hashes;
  for (const Database which : kDataDatabases) hashes[which] = copy.data[which].hash;
  FLATKV_ASSIGN(const auto expected, known.at(version_));
  if (!expected) return wrong("neither record nor SNAPSHOT has the roots of the version");
  const Roots roots = layout::roots_of(hashes);
  if (roots == *expected) return builder_->leave_clean(version_, roots);
  return wrong("the databases have the root " + to_hex(roots.root) +
               ", changelog or snapshot has " + to_hex(expected->root));
}

Status Rollback::publish() {
  FLATKV_TRY(builder_->publish());
  FLATKV_FAILPOINT("rollback.published");
  names_->begins_behind(carry_ ? carry_->base.version : version_);
  return {};
}

Status rollback_store(const state::Environment& environment, const std::string& store,
                      std::int64_t version, const RollbackOptions& given) {
  FLATKV_TRY(enter_process());
  FLATKV_TRY(blake3::environment_kernel());
  FLATKV_TRY(state::check_options(given));
  fs::FileSystem& files = *environment.files;
  FLATKV_ASSIGN(const std::string path, layout::resolve_store_path(files, store));
  FLATKV_ASSIGN(auto taken, layout::StoreLock::take(files, path));
  auto lock = std::make_shared<layout::StoreLock>(std::move(taken));
  FLATKV_ASSIGN(LiveGeneration place, find_live_generation(files, path));
  place.held = true;

  RecoveryAnalysis found;
  if (analyze_store(environment, path, found)) {
    const bool log_lost = found.plan == RecoveryPlan::new_log;
    const auto tip = log_lost ? std::optional(found.durable) : found.reached;
    if (tip == version) return keep_as_found(files, found);
    if (can_undo(found, version)) {
      FLATKV_ASSIGN(const bool undone,
                    undo_closed(environment, path, version, found, options_of(given), lock));
      if (undone) return {};
    }
  }
  const std::string old = place.choice.name;
  Rollback rollback(environment, std::move(place), lock, options_of(given), {}, given.stop,
                    given.progress);
  FLATKV_TRY(rollback.plan(version));
  FLATKV_TRY(rollback.build());
  FLATKV_TRY(rollback.publish());
  // The rollback is done; the old generation only takes space.
  if (Status removed = layout::remove_generation(files, path, old); !removed) {
    Logger(given.log).warning(
        "the old generation could not be removed; the next open removes it: " +
        removed.error().to_string());
  }
  return {};
}

}  // namespace recovery

Status rollback(const std::string& store, std::int64_t version, const RollbackOptions& options) {
  return guarded([&] { return recovery::rollback_store({}, store, version, options); });
}

}  // namespace flatkv

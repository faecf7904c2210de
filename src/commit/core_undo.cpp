// SPDX-License-Identifier: Apache-2.0
// The part of Core that undoes recent blocks (docs/recovery.md#undoing-blocks).
#include <algorithm>

#include "base/assert.hpp"
#include "base/failpoint.hpp"
#include "base/guard.hpp"
#include "changelog/reader.hpp"
#include "changelog/segment_file.hpp"
#include "commit/core.hpp"
#include "fs/files.hpp"
#include "state/host.hpp"

namespace flatkv::commit {
namespace {

/// What was undone before, and the commits after `after`, up to `last`.
std::shared_ptr<const memtable::DeadRanges> with_dead(const memtable::DeadRanges* before,
                                                      memtable::Stamp after, memtable::Stamp last) {
  auto ranges = std::make_shared<memtable::DeadRanges>();
  if (before != nullptr) *ranges = *before;
  while (!ranges->empty() && ranges->back().after >= after) ranges->pop_back();
  ranges->push_back({after, last});
  return ranges;
}

}  // namespace

std::int64_t Core::floor() const {
  const std::int64_t first = points_.first().value_or(published_.load()->version);
  return std::max(floor_, first);
}

Result<bool> Core::undo(std::int64_t version) {
  FLATKV_TRY(check_usable());
  const auto current = published_.load();
  if (version == current->version) {
    discard();
    return true;
  }
  const UndoPoint* const found = version < floor() ? nullptr : points_.find(version);
  if (log_ == nullptr || found == nullptr) return false;
  const UndoPoint point = *found;
  const UndoPoint* const above = points_.find(version + 1);
  pending_.begin(*current);
  if (Status there = state::check_there(*setup_.lifetime); !there) {
    setup_.fault->set(there.error());
    return std::unexpected(std::move(there).error());
  }
  FLATKV_ASSIGN(const changelog::Tip tip, place_of(point));
  changelog::UndoMark mark;
  mark.store = setup_.manifest.store;
  mark.version = version;
  mark.digest = tip.digest;
  mark.next = above != nullptr ? above->chain : current->chain;
  mark.tip = current->version;
  mark.tip_digest = current->chain;
  FLATKV_TRY(prepare_undo());
  const auto [tap, names] = followed_by();
  if (names) FLATKV_TRY(names->begin_undo(version));
  if (tap) tap->begin_undo(version);
  // From here on it is not known what is on disk, whether a step fails or throws.
  Status done = guarded([&]() -> Status {
    FLATKV_TRY(undo_on_disk(mark, tip));
    undo_in_memory(point, tip);
    return {};
  });
  if (!done) {
    setup_.fault->set(done.error());
    if (tap) tap->failed();  // the store may have failed before, which the tap heard too early
    return std::unexpected(std::move(done).error());
  }
  if (tap) tap->undone({version, tip.digest});
  if (names) names->undone();
  return true;
}

/// Where the log ends with that version. It is looked up if the block was replayed.
Result<changelog::Tip> Core::place_of(const UndoPoint& point) const {
  fs::FileSystem& files = *setup_.environment.files;
  const std::string directory = layout::changelog_path(setup_.lifetime->generation());
  if (point.place) {
    changelog::Tip tip = *point.place;
    // If a segment begins after that version, pruning for a snapshot of it removes the one that
    // ends with it, maybe at this moment.
    std::string next = changelog::segment_name(point.version + 1);
    FLATKV_ASSIGN(const bool begins,
                  fs::exists(files, fs::join(directory, next), fs::FileType::file));
    if (begins) {
      tip.segment = std::move(next);
      tip.end_offset = changelog::kSegmentHeaderBytes;
    }
    return tip;
  }
  FLATKV_TRY(flusher_->wait_idle());  // a snapshot under way may prune the log
  changelog::SurveyOptions options;
  options.store = setup_.manifest.store;
  options.from_version = point.version;
  options.check_last_payloads = false;  // this process wrote or replayed them
  FLATKV_ASSIGN(const auto log, changelog::walk_segments(files, directory, options));
  const auto lost = [&] {
    return fail(ErrorCode::log_gap, "the changelog does not hold the version to go back to")
        .path(directory)
        .version(point.version);
  };
  if (!log) return lost();
  changelog::Tip tip;
  tip.version = point.version;
  tip.roots = point.roots;
  if (log->base.version == point.version) {
    tip.digest = log->base.digest;
    tip.segment = log->segments.front().name;
    tip.end_offset = changelog::kSegmentHeaderBytes;
    tip.roots.reset();
    return tip;
  }
  FLATKV_ASSIGN(const auto record, changelog::find_record(files, directory, *log,
                                                          setup_.manifest.store, point.version));
  if (!record) return lost();
  tip.digest = record->header.digest;
  tip.segment = record->segment;
  tip.end_offset = record->end_offset;
  return tip;
}

/// An error undoes nothing.
Status Core::prepare_undo() {
  FLATKV_FAILPOINT("undo.begin");
  if (Status synced = log_->sync(); !synced) {
    setup_.fault->set(synced.error());
    return synced;
  }
  FLATKV_FAILPOINT("undo.log_synced");
  FLATKV_TRY(changelog::remove_clean(*setup_.environment.files, setup_.lifetime->generation()));
  FLATKV_FAILPOINT("undo.unmarked");
  return {};
}

Status Core::undo_on_disk(const changelog::UndoMark& mark, const changelog::Tip& tip) {
  fs::FileSystem& files = *setup_.environment.files;
  const std::string directory = layout::changelog_path(setup_.lifetime->generation());
  FLATKV_TRY(changelog::write_undo(files, directory, mark));
  FLATKV_TRY(changelog::cut_undone(files, directory, tip));
  FLATKV_TRY(changelog::remove_undo(files, directory));
  FLATKV_TRY(log_->rewind(tip));
  FLATKV_FAILPOINT("undo.rewound");
  return {};
}

void Core::undo_in_memory(const UndoPoint& point, const changelog::Tip& tip) {
  if (group_commit_) group_commit_->rewind(point.version);
  const auto last = published_.load();  // its buffers are freed at the end, under no lock
  const auto dead = with_dead(last->dead.get(), point.stamp, last_stamp_);
  const std::vector<FrozenBatch> withdrawn = undo_held(point, dead);
  RecentStates::Dropped dropped;  // likewise
  const auto publish_state = [&] {
    published_.update([&](state::State& state) {
      dropped = recent_.drop_from(point.version);
      state.version = point.version;
      state.stamp = point.stamp;
      state.dead = dead;
      state.chain = tip.digest;
      state.roots = point.roots;
      for (const Database database : kDataDatabases) {
        state::DbState& own = state.databases[database];
        own.hash = point.hashes[database];
        own.stats = point.stats[database];
        own.version = point.version;
        // A buffer that was begun later is not used again: what it says of the rows below it is of
        // the undone blocks.
        std::erase_if(own.frozen, [&](const auto& frozen) {
          return std::ranges::any_of(withdrawn,
                                     [&](const FrozenBatch& batch) { return batch.holds(frozen); });
        });
        if (own.active->first_stamp() > point.stamp) own.active = next_buffer(*own.active);
      }
    });
  };
  if (scrubber_) {
    scrubber_->undo(point.version, publish_state);
  } else {
    publish_state();
  }
  points_.drop_from(point.version);
  place_ = tip;
  shown_floor_ = floor();
  last_log_bytes_ = log_->appended_bytes();
  snapshot_due_ = false;
  pending_.begin(*published_.load());
}

/// Withdraws the held batches that are undone, and makes the one that holds the version end there.
/// Then everything is as if the last freeze had been the one before.
std::vector<FrozenBatch> Core::undo_held(const UndoPoint& point,
                                         const std::shared_ptr<const memtable::DeadRanges>& dead) {
  std::vector<FrozenBatch> withdrawn;
  while (!held_.empty() && held_.back().begun >= point.stamp) {
    frozen_stamp_ = held_.back().begun;
    withdrawn.push_back(std::move(held_.back()));
    held_.pop_back();
  }
  if (!held_.empty() && held_.back().version > point.version) {
    FrozenBatch& batch = held_.back();
    batch.version = point.version;
    batch.stamp = frozen_stamp_ = point.stamp;
    batch.log_bytes = point.log_bytes;
    batch.afterwards = {};
    for (const Database database : kDataDatabases) {
      batch.parts[database].hash = point.hashes[database];
      batch.parts[database].stats = point.stats[database];
    }
  }
  for (FrozenBatch& batch : held_) batch.dead = dead;
  if (frozen_at_ > point.version || !withdrawn.empty()) {
    frozen_at_ = held_.empty() ? submitted_at_ : held_.back().version;
    frozen_log_bytes_ = held_.empty() ? submitted_log_bytes_ : held_.back().log_bytes;
    for (std::int64_t& version : frozen_versions_) version = std::min(version, frozen_at_);
    metadata_version_ = std::min(metadata_version_, frozen_at_);
  }
  // The log's counter goes on, so the undone bytes count as if they had been logged before all
  // else.
  const std::uint64_t undone = log_->appended_bytes() - point.log_bytes;
  frozen_log_bytes_ += undone;
  submitted_log_bytes_ += undone;
  for (FrozenBatch& batch : held_) batch.log_bytes += undone;
  points_.add_log_bytes(undone);
  return withdrawn;
}

}  // namespace flatkv::commit

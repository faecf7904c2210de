// SPDX-License-Identifier: Apache-2.0
#include "recovery/live_generation.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>

#include "changelog/clean_marker.hpp"
#include "fs/files.hpp"
#include "layout/snapshot_chain.hpp"

namespace flatkv::recovery {
namespace {

/// A record being written may look like damage below valid records, and segments may disappear.
/// This look is cheap, so it is repeated more often than the choice of what to read. A writer that
/// undoes blocks may change the log during each look, and then each finds something else; what is
/// found this often in a row is what there is.
constexpr int kLooksAtSameEnd = 10;
constexpr int kLooksAtLiveEnd = 200;

/// Whether CLEAN says that the log ends with the last byte of its last segment, which was synced.
bool closed_cleanly(fs::FileSystem& files, const LiveGeneration& place) {
  const auto clean = changelog::read_clean(files, place.generation);
  if (!clean || !*clean) return false;
  const auto info =
      files.stat(fs::join(layout::changelog_path(place.generation), (*clean)->segment));
  return info && info->type == fs::FileType::file && info->size == (*clean)->bytes;
}

}  // namespace

Result<LiveGeneration> find_live_generation(fs::FileSystem& files, const std::string& store) {
  LiveGeneration place;
  FLATKV_ASSIGN(place.store, layout::resolve_store_path(files, store));
  FLATKV_ASSIGN(place.survey, layout::survey_store(files, place.store));
  if (place.survey.exists) {
    FLATKV_ASSIGN(const auto choice, layout::choose_generation(place.store, place.survey));
    // If CURRENT was swapped during the listing it seems missing, so believe that only when seen
    // twice.
    if (choice.current_missing) {
      FLATKV_ASSIGN(place.survey, layout::survey_store(files, place.store));
    }
  }
  FLATKV_ASSIGN(place.choice, layout::choose_generation(place.store, place.survey));
  place.generation = fs::join(place.store, place.choice.name);
  return place;
}

Result<bool> still_there(fs::FileSystem& files, const LiveGeneration& place) {
  FLATKV_ASSIGN(const LiveGeneration now, find_live_generation(files, place.store));
  return now.choice.name == place.choice.name;
}

bool may_have_moved(const Error& error) {
  return error.code == ErrorCode::not_found || error.code == ErrorCode::corruption ||
         error.code == ErrorCode::log_gap || error.code == ErrorCode::log_behind ||
         error.code == ErrorCode::version_mismatch;
}

Error kept_moving(const LiveGeneration& place, Error last) {
  if (last.code != ErrorCode::not_found || !last.path.starts_with(place.generation)) return last;
  return fail(ErrorCode::locked,
              "what was to be read was repeatedly pruned or replaced "
              "by the process that has the store; last: " +
                  last.to_string())
      .path(place.store)
      .error();
}

bool is_locked(fs::FileSystem& files, const std::string& store) {
  const auto lock = files.lock_directory(store);
  return !lock && lock.error().code == ErrorCode::locked;
}

Result<std::optional<changelog::LogWalk>> walk_log(fs::FileSystem& files,
                                                   const LiveGeneration& place,
                                                   const layout::StoreId& store,
                                                   std::int64_t from) {
  changelog::SurveyOptions options;
  options.store = store;
  options.from_version = from;
  const bool live = !place.held && is_locked(files, place.store);
  options.check_last_payloads = !live && !closed_cleanly(files, place);
  std::string before;
  for (int attempt = 1, same = 1;; ++attempt) {
    auto found = changelog::walk_segments(files, layout::changelog_path(place.generation), options);
    if (!live || (found && !*found)) return found;
    const Status sound =
        found ? end_is_sound(place, **found) : Status(std::unexpected(found.error()));
    if (sound) return found;
    // Pruned after it was listed, or an undo began, cut the log or ended between two looks.
    const ErrorCode code = sound.error().code;
    if (!found && code != ErrorCode::not_found && code != ErrorCode::corruption) return found;
    std::string now = sound.error().to_string();
    same = now == before ? same + 1 : 1;
    if (same == kLooksAtSameEnd || attempt == kLooksAtLiveEnd) return found;
    before = std::move(now);
    // It may be the writer that waits for a processor.
    std::this_thread::sleep_for(std::chrono::milliseconds(same - 1));
  }
}

Status still_on_chain(fs::FileSystem& files, const LiveGeneration& place,
                      const layout::StoreId& store, std::int64_t version, const Digest& digest) {
  const std::string directory = layout::changelog_path(place.generation);
  FLATKV_ASSIGN(const auto walk, walk_log(files, place, store, version));
  if (!walk || walk->base.version > version) return {};
  if (version <= walk->tip.version) {
    FLATKV_ASSIGN(const Digest now, layout::digest_at(files, directory, *walk, store, version));
    if (now == digest) return {};
  }
  return fail(ErrorCode::not_found, "the block was undone meanwhile")
      .path(directory)
      .version(version);
}

std::optional<std::int64_t> gap_end(const Result<std::optional<changelog::LogWalk>>& walk) {
  if (!walk || !*walk || !(*walk)->damage || (*walk)->damage->reason != "gap") return std::nullopt;
  const auto next = changelog::parse_segment_name((*walk)->damage->segment);
  return next ? std::optional(*next - 1) : std::nullopt;
}

Result<std::optional<changelog::LogWalk>> walk_whole_log(fs::FileSystem& files,
                                                         const LiveGeneration& place,
                                                         const layout::StoreId& store) {
  std::int64_t from = 0;
  while (true) {
    FLATKV_ASSIGN(auto found, walk_log(files, place, store, from));
    const auto next = gap_end(found);
    if (!next || *next <= from) return found;
    from = *next;  // segments before the gap are remains of pruning
  }
}

Status end_is_sound(const LiveGeneration& place, const changelog::LogWalk& survey) {
  const std::string directory = layout::changelog_path(place.generation);
  // Records that were never known to be durable may be lost with a hole: also a sound end.
  const bool behind = survey.synced > survey.tip.version;
  if (behind && survey.damage && survey.damage->valid_above) {
    const changelog::Break& bad = *survey.damage;
    return fail(ErrorCode::corruption, "a bad record with valid ones above it: " + bad.reason)
        .path(fs::join(directory, bad.segment))
        .version(bad.version)
        .offset(bad.offset);
  }
  if (behind) {
    return fail(ErrorCode::log_behind, "the changelog reaches version " +
                                           std::to_string(survey.tip.version) +
                                           ", but its records say that version " +
                                           std::to_string(survey.synced) + " was durable")
        .path(directory)
        .version(survey.synced);
  }
  return {};
}

std::vector<VersionRange> joined(std::vector<VersionRange> ranges) {
  std::ranges::sort(ranges, {}, &VersionRange::first);
  std::vector<VersionRange> joined;
  for (const VersionRange& range : ranges) {
    if (!joined.empty() && range.first - 1 <= joined.back().last) {
      joined.back().last = std::max(joined.back().last, range.last);
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

std::string range_text(std::vector<VersionRange> ranges) {
  std::string text;
  for (const VersionRange& range : joined(std::move(ranges))) {
    if (!text.empty()) text += ", ";
    text += std::to_string(range.first);
    if (range.last != range.first) text += " to " + std::to_string(range.last);
  }
  return text.empty() ? "none" : text;
}

Result<std::vector<Reach>> find_reach(fs::FileSystem& files, const LiveGeneration& place,
                                      const layout::Manifest& manifest,
                                      const std::vector<layout::SnapshotEntry>& snapshots,
                                      std::optional<Error>& problem) {
  std::vector<Reach> reach;
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    if (!snapshots[i].manifest) continue;
    Reach one{i, snapshots[i].version, snapshots[i].version, std::nullopt};
    auto log = walk_log(files, place, manifest.store, one.version);
    if (!log) {
      const ErrorCode code = log.error().code;
      if (code != ErrorCode::corruption && code != ErrorCode::foreign_store &&
          code != ErrorCode::format_too_new && code != ErrorCode::not_found) {
        return std::unexpected(std::move(log).error());
      }
      problem = std::move(log).error();
    } else if (*log) {
      FLATKV_ASSIGN(const layout::OnChain where,
                    layout::on_chain(files, layout::changelog_path(place.generation), **log,
                                     *snapshots[i].manifest));
      if (where == layout::OnChain::no)
        continue;  // the log has grown since the snapshots were
                   // listed
      if (where == layout::OnChain::yes) {
        one.last = (*log)->tip.version;
        one.log = std::move(*log);
      }
    }
    reach.push_back(std::move(one));
  }
  return reach;
}

std::vector<VersionRange> ranges_of(const std::vector<Reach>& reach) {
  std::vector<VersionRange> ranges;
  for (const Reach& one : reach) ranges.push_back({one.version, one.last});
  return joined(std::move(ranges));
}

std::string range_text(const std::vector<Reach>& reach) { return range_text(ranges_of(reach)); }

}  // namespace flatkv::recovery

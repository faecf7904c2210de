// SPDX-License-Identifier: Apache-2.0
#include "inspect/log_coverage.hpp"

#include "changelog/segment_file.hpp"
#include "fs/files.hpp"
#include "layout/snapshot_manifest.hpp"

namespace flatkv::inspect {
namespace {

/// First version of the first segment after the end of a walk: the next walk can start there.
std::optional<std::int64_t> next_segment(const changelog::Listing& listing,
                                         const changelog::LogWalk& walk) {
  for (const auto& segment : listing.segments) {
    if (segment.name > walk.tip.segment) return segment.first_version;
  }
  return std::nullopt;
}

/// All readable ranges of the log. A walk starts at a segment, so only the records before the
/// damage in a segment count.
std::string readable(fs::FileSystem& files, const recovery::LiveGeneration& place,
                     const layout::StoreId& store, const changelog::LogWalk& oldest) {
  std::vector<VersionRange> ranges;
  const auto add = [&](const changelog::LogWalk& walk) {
    if (walk.tip.version > walk.base.version) {
      ranges.push_back({walk.base.version + 1, walk.tip.version});
    }
  };
  add(oldest);
  const auto listing = changelog::list_segments(files, layout::changelog_path(place.generation));
  if (!listing) return recovery::range_text(std::move(ranges));
  changelog::LogWalk walk = oldest;
  while (const auto first = next_segment(*listing, walk)) {
    // Start at the first record, not at the base, which may lead into the segment before.
    auto next = recovery::walk_log(files, place, store, *first);
    if (!next || !*next || (*next)->tip.segment <= walk.tip.segment) break;
    walk = **std::move(next);
    add(walk);
  }
  return recovery::range_text(std::move(ranges));
}

}  // namespace

Result<std::optional<RootsAt>> committed_roots(fs::FileSystem& files,
                                               const recovery::RecoveryAnalysis& found) {
  if (found.plan == recovery::RecoveryPlan::new_log) {
    PerDataDatabase<LtHash> hashes;
    for (const Database database : kDataDatabases)
      hashes[database] = found.copy.data[database].hash;
    return RootsAt{found.durable, layout::roots_of(hashes)};
  }
  if (!found.reached) return std::nullopt;
  FLATKV_ASSIGN(const auto roots, recovery::KnownRoots(files, found).at(*found.reached));
  if (!roots) return std::nullopt;
  return RootsAt{*found.reached, *roots};
}

std::optional<Error> broken_history(fs::FileSystem& files, const recovery::LiveGeneration& place,
                                    const layout::StoreId& store,
                                    const Result<std::optional<changelog::LogWalk>>& whole,
                                    std::int64_t version) {
  if (!whole) return whole.error();
  const std::string directory = layout::changelog_path(place.generation);
  if (!*whole) {
    return fail(ErrorCode::log_behind, "there is no changelog").path(directory).error();
  }
  const changelog::LogWalk& log = **whole;
  if (log.tip.version >= version) return std::nullopt;
  Error error = fail(ErrorCode::log_behind,
                     "the changelog ends at version " + std::to_string(log.tip.version) +
                         ", but the databases are at " + std::to_string(version))
                    .path(fs::join(directory, log.tip.segment))
                    .version(log.tip.version + 1)
                    .offset(log.tip.end_offset)
                    .error();
  if (log.damage) {
    error.code = ErrorCode::corruption;
    error.path = fs::join(directory, log.damage->segment);
    error.offset = log.damage->offset;
    error.message += ": " + log.damage->reason;
  }
  error.message += "; versions that it can be read at: " + readable(files, place, store, log);
  return error;
}

}  // namespace flatkv::inspect

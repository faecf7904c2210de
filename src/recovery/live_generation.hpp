// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <optional>
#include <string>

#include "changelog/log_walk.hpp"
#include "flatkv/tools/inspect.hpp"
#include "layout/generation.hpp"
#include "layout/snapshots.hpp"

// Reads a store that another process may be changing: CURRENT may move, and snapshots and segments
// may disappear meanwhile. Changes nothing.
namespace flatkv::recovery {

/// The live generation at the time of the look.
struct LiveGeneration {
  std::string store;  ///< resolved
  layout::StoreSurvey survey;
  layout::Choice choice;
  std::string generation;  ///< path
  bool held = false;       ///< the caller holds the lock, so nobody writes
};
Result<LiveGeneration> find_live_generation(fs::FileSystem& files, const std::string& store);

/// Whether CURRENT still names this generation.
Result<bool> still_there(fs::FileSystem& files, const LiveGeneration& place);

/// Checks that the log still has `version` under that chain digest, or begins above it (pruning
/// keeps the chain). `not_found` if the process that has the store has undone it.
Status still_on_chain(fs::FileSystem& files, const LiveGeneration& place,
                      const layout::StoreId& store, std::int64_t version, const Digest& digest);

/// Whether another process holds the lock: a writer, or a reader for a moment.
bool is_locked(fs::FileSystem& files, const std::string& store);

inline constexpr int kLooks = 3;

/// Whether a retry may help: the writer may have pruned or replaced what was there a moment ago.
bool may_have_moved(const Error& error);

/// The error to report when retries did not help. It says that a pruning writer may be the cause,
/// rather than damage.
Error kept_moving(const LiveGeneration& place, Error last);

/// Calls `look(place)` until it succeeds on a generation that is still live afterwards, at most
/// `looks` times. Returns a persistent failure unchanged. `checked`: `look` verifies by itself that
/// the generation was live when it had all it needs.
template <std::invocable<const LiveGeneration&> Look>
std::invoke_result_t<Look, const LiveGeneration&> look_at_store(fs::FileSystem& files,
                                                                const std::string& store, Look look,
                                                                bool checked = false,
                                                                int looks = kLooks) {
  for (int attempt = 1;; ++attempt) {
    auto place = find_live_generation(files, store);
    if (!place) {
      if (attempt == looks || !may_have_moved(place.error())) {
        return std::unexpected(std::move(place).error());
      }
      continue;
    }
    auto result = look(*place);
    if (result ? checked : !may_have_moved(result.error())) return result;
    const auto same = still_there(files, *place);
    const bool stayed = same && *same;
    if (result && stayed) return result;
    if (attempt < looks) continue;
    if (!same) return std::unexpected(same.error());
    if (!stayed) {
      return fail(ErrorCode::locked, "the store was replaced again and again while it was read")
          .path(store);
    }
    if (!is_locked(files, place->store)) return result;
    return std::unexpected(kept_moving(*place, std::move(result).error()));
  }
}

/// Walks the log from the segment that holds `from`. Checks payloads at the end of an unclean log
/// unless a writer has it open: what the writer wrote is still in the page cache.
Result<std::optional<changelog::LogWalk>> walk_log(fs::FileSystem& files,
                                                   const LiveGeneration& place,
                                                   const layout::StoreId& store, std::int64_t from);
/// If a walk ended at a gap: the base of the segment above it.
std::optional<std::int64_t> gap_end(const Result<std::optional<changelog::LogWalk>>& walk);
/// Walks the log from as far back as it has no gap.
Result<std::optional<changelog::LogWalk>> walk_whole_log(fs::FileSystem& files,
                                                         const LiveGeneration& place,
                                                         const layout::StoreId& store);

/// Whether the walk ended at the end of the log. `corruption`: valid records lie above a bad one
/// that was durable; `log_behind`: records show that more was durable. A torn or unfinished last
/// record is a sound end.
Status end_is_sound(const LiveGeneration& place, const changelog::LogWalk& survey);

/// Sorted; ranges that overlap or touch are merged.
std::vector<VersionRange> joined(std::vector<VersionRange> ranges);
/// Text of the joined ranges, such as "11 to 20, 25, 30 to 40"; "none" if there are none.
std::string range_text(std::vector<VersionRange> ranges);

/// The versions that one valid snapshot and the log can produce.
struct Reach {
  std::size_t snapshot = 0;  ///< index into the snapshots
  std::int64_t version = 0;  ///< the snapshot's
  std::int64_t last = 0;     ///< highest version that an unbroken chain reaches from it
  std::optional<changelog::LogWalk> log;  ///< walk from `version` (a record or the base) to `last`
};
/// Computes the reach of each valid snapshot, ascending by version. A snapshot of another branch
/// has none; one whose version the log does not keep reaches only itself. An unreadable log counts
/// as absent, and `problem` tells why.
Result<std::vector<Reach>> find_reach(fs::FileSystem& files, const LiveGeneration& place,
                                      const layout::Manifest& manifest,
                                      const std::vector<layout::SnapshotEntry>& snapshots,
                                      std::optional<Error>& problem);
std::vector<VersionRange> ranges_of(const std::vector<Reach>& reach);
std::string range_text(const std::vector<Reach>& reach);

}  // namespace flatkv::recovery

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <optional>
#include <string>

#include "changelog/log_walk.hpp"
#include "flatkv/inspect.hpp"
#include "layout/generation.hpp"
#include "layout/snapshots.hpp"

// Looking at a store whose files another process may be changing: CURRENT can lead elsewhere and
// snapshots and segments can go while one looks. Nothing here changes anything.
namespace flatkv::recovery {

/// The live generation as it was found.
struct LiveGeneration {
  std::string store;  ///< resolved
  layout::StoreSurvey survey;
  layout::Choice choice;
  std::string generation;  ///< path
  bool held = false;       ///< by the caller's lock: nobody writes
};
Result<LiveGeneration> find_live_generation(fs::FileSystem& files, const std::string& store);

/// Whether CURRENT still leads there.
Result<bool> still_there(fs::FileSystem& files, const LiveGeneration& place);

/// Whether a process has the store open for writing (or is looking at it at this moment).
bool is_locked(fs::FileSystem& files, const std::string& store);

inline constexpr int kLooks = 3;

/// Whether looking again may help: what was there a moment ago may have been pruned or replaced.
bool may_have_moved(const Error& error);

/// What is said of a failure that stayed: that something is missing of a store whose writer prunes
/// is not damage.
Error kept_moving(const LiveGeneration& place, Error last);

/// Calls `look(place)` until it succeeded on a generation that is still the live one, at most
/// kLooks times. A failure that stays is returned as it is. `checked`: `look` sees itself that the
/// generation was the live one when it had all it needs.
template <std::invocable<const LiveGeneration&> Look>
std::invoke_result_t<Look, const LiveGeneration&> look_at_store(fs::FileSystem& files,
                                                                const std::string& store, Look look,
                                                                bool checked = false) {
  for (int attempt = 1;; ++attempt) {
    auto place = find_live_generation(files, store);
    if (!place) {
      if (attempt == kLooks || !may_have_moved(place.error())) {
        return std::unexpected(std::move(place).error());
      }
      continue;
    }
    auto result = look(*place);
    if (!result && !may_have_moved(result.error())) return result;
    if (!result && attempt == kLooks) {
      if (!is_locked(files, place->store)) return result;
      return std::unexpected(kept_moving(*place, std::move(result).error()));
    }
    if (result && checked) return result;
    const auto same = still_there(files, *place);
    if (result && same && *same) return result;
    if (attempt == kLooks) {
      return fail(ErrorCode::locked, "the store was replaced again and again while it was read")
          .path(store);
    }
  }
}

/// The generation's log from the segment that holds `from` on. The end of an unclean log is checked
/// with its payloads, unless a writer has it: what it wrote is in the page cache.
Result<std::optional<changelog::LogWalk>> walk_log(fs::FileSystem& files,
                                                   const LiveGeneration& place,
                                                   const layout::StoreId& store, std::int64_t from);
/// As far back as it is without a gap.
Result<std::optional<changelog::LogWalk>> walk_whole_log(fs::FileSystem& files,
                                                         const LiveGeneration& place,
                                                         const layout::StoreId& store);

/// Whether the walk ended where the log does. `corruption`: valid records lie above a bad one that
/// was durable;
/// `log_behind`: records say that more was durable. A torn or unfinished last record is an end.
Status end_is_sound(const LiveGeneration& place, const changelog::LogWalk& survey);

/// In order, those that overlap or touch joined.
std::vector<VersionRange> joined(std::vector<VersionRange> ranges);
/// "11 to 20, 25, 30 to 40" of joined ranges; "none" without any.
std::string range_text(std::vector<VersionRange> ranges);

/// A version that can be had: from a valid snapshot, by the log, up to `last`.
struct Reach {
  std::size_t snapshot = 0;  ///< index into the snapshots
  std::int64_t version = 0;  ///< the snapshot's
  std::int64_t last = 0;     ///< highest version that an unbroken chain reaches from it
  std::optional<changelog::LogWalk> log;  ///< walk that holds version (or has it as base) to last
};
/// For each valid snapshot, ascending. One of another branch has no reach; one of a version that
/// the log does not keep reaches itself alone. A log that cannot be read at all counts as none; why
/// is left in `problem`.
Result<std::vector<Reach>> find_reach(fs::FileSystem& files, const LiveGeneration& place,
                                      const layout::Manifest& manifest,
                                      const std::vector<layout::SnapshotEntry>& snapshots,
                                      std::optional<Error>& problem);
std::vector<VersionRange> ranges_of(const std::vector<Reach>& reach);
std::string range_text(const std::vector<Reach>& reach);

}  // namespace flatkv::recovery

// SPDX-License-Identifier: Apache-2.0
#include "follow/place.hpp"

#include <algorithm>
#include <ranges>
#include <string>
#include <vector>

#include "base/version_arithmetic.hpp"

namespace flatkv::follow {

Result<topic::Seen> find_state(broker::Consumer& consumer, std::int64_t version, const Roots& roots,
                               const std::stop_token& stop) {
  std::optional<topic::Seen> found;
  bool other_branch = false;
  bool any_below = false;
  std::int64_t lowest = kLastVersion;
  const auto look = [&](const std::vector<topic::Seen>& window) {
    for (const topic::Seen& seen : window | std::views::reverse) {
      if (!seen.is_state()) continue;
      const std::int64_t at = seen.header.version;
      lowest = std::min(lowest, at);
      any_below = any_below || at < version;
      if (at != version) continue;
      if (seen.header.roots == roots) {
        found = seen;
        return false;
      }
      other_branch = true;
    }
    return true;
  };
  FLATKV_TRY(topic::scan_back(consumer, stop, look));
  if (found) return *found;
  const std::string address = consumer.place().address();
  if (!other_branch && !any_below) {
    return fail(ErrorCode::log_gap,
                lowest == kLastVersion
                    ? std::string("the topic is empty")
                    : "the topic only goes back to version " + std::to_string(lowest))
        .path(address)
        .version(version);
  }
  return fail(ErrorCode::version_mismatch,
              other_branch ? "the store has another state than any that the topic had at this "
                             "version"
                           : "the store is above the end of the topic")
      .path(address)
      .version(version);
}

Result<std::optional<topic::Seen>> find_kept(broker::Consumer& consumer,
                                             const std::function<bool(const topic::Seen&)>& fits,
                                             const std::stop_token& stop) {
  std::optional<topic::Seen> found;
  std::int64_t lowest_undo = kLastVersion;
  const auto look = [&](const std::vector<topic::Seen>& window) {
    for (const topic::Seen& seen : window | std::views::reverse) {
      // Before what it undoes: an undo to the version itself leaves it as it is.
      if (seen.header.kind == wire::Kind::undo) {
        lowest_undo = std::min(lowest_undo, seen.header.version);
      }
      if (seen.header.version > lowest_undo || !fits(seen)) continue;
      found = seen;
      return false;
    }
    return true;
  };
  FLATKV_TRY(topic::scan_back(consumer, stop, look));
  return found;
}

Result<std::optional<topic::Seen>> find_snapshot(
    broker::Consumer& consumer, const std::function<bool(const topic::Seen&)>& fits,
    const std::stop_token& stop) {
  std::vector<topic::Seen> markers;  // the newest first; each lies behind the record of its state
  std::optional<topic::Seen> found;
  const auto look = [&](const topic::Seen& seen) {
    if (!seen.is_state()) {
      if (fits(seen)) markers.push_back(seen);
      return false;
    }
    const auto marker = std::ranges::find_if(markers, [&](const topic::Seen& one) {
      return one.header.version == seen.header.version && one.header.roots == seen.header.roots;
    });
    if (marker == markers.end()) return false;
    found = *marker;
    return true;
  };
  FLATKV_TRY(find_kept(consumer, look, stop));
  return found;
}

}  // namespace flatkv::follow

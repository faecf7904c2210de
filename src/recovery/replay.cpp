// SPDX-License-Identifier: Apache-2.0
#include "recovery/replay.hpp"

#include <algorithm>
#include <limits>
#include <stop_token>

#include "base/version_arithmetic.hpp"
#include "recovery/open_store.hpp"

namespace flatkv::recovery {

Options replay_options(Options options) {
  options.snapshot.interval = 0;
  options.recent_versions = 0;
  options.rollback_depth = 0;
  options.flush.level0_limit = std::numeric_limits<std::uint32_t>::max();
  options.flush.pending_compaction_limit_bytes = std::numeric_limits<std::uint64_t>::max();
  return options;
}

Status replay_until(commit::Core& core, changelog::Reader& reader, const std::string& directory,
                    std::int64_t until, std::stop_token stop,
                    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  constexpr std::int64_t kBetweenLooks = 16;
  const std::int64_t first = core.state()->version;
  while (core.state()->version < until) {
    if (stop.stop_requested()) {
      return fail(ErrorCode::cancelled, "stopped before a block was replayed")
          .path(directory)
          .version(core.state()->version + 1);
    }
    const std::int64_t next =
        std::min(until, version_plus(core.state()->version, kBetweenLooks).value_or(until));
    FLATKV_TRY(replay_records(core, reader, directory, next));
    if (progress) {
      progress(static_cast<std::uint64_t>(next - first), static_cast<std::uint64_t>(until - first));
    }
  }
  return {};
}

}  // namespace flatkv::recovery

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "changelog/reader.hpp"
#include "commit/core.hpp"

namespace flatkv::recovery {

/// Options for a core that only replays: it flushes by size alone and leaves compaction to the next
/// open.
Options replay_options(Options options);

struct ReplayOptions {
  /// Asked between blocks: `cancelled`.
  std::stop_token stop{};
  /// Called now and then, and at the end, with the number of blocks replayed. May be empty.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress{};
};

/// Replays up to and including `until` (docs/recovery.md#replay). `reader` is positioned before the
/// next version to replay, `directory` is that of its log, for messages. Returns the number of
/// blocks replayed. After an error those below the version that it names are replayed, or all below
/// some block before that one. The reader is of no use afterwards.
Result<std::int64_t> replay_records(commit::Core& core, changelog::Reader& reader,
                                    const std::string& directory, std::int64_t until,
                                    const ReplayOptions& options = {});

/// The same with the log of `generation`, as walked in `survey`.
Result<std::int64_t> replay_log(const state::Environment& environment, commit::Core& core,
                                const std::string& generation, const changelog::LogWalk& survey,
                                std::int64_t until, const ReplayOptions& options = {});

}  // namespace flatkv::recovery

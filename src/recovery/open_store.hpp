// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "changelog/reader.hpp"
#include "commit/core.hpp"
#include "layout/lock.hpp"
#include "recovery/recovery_analysis.hpp"

namespace flatkv::recovery {

struct Opened {
  std::unique_ptr<commit::Core> core;
  OpenReport report;
};

/// Opens for writing (docs/specification.md#opening): takes the lock, runs phase 1
/// (`analyze_store`), builds the next generation if one is needed, then runs phase 2.
Result<Opened> open_store(const state::Environment& environment, const std::string& store,
                          const Options& options);

/// The same for a caller that holds the lock. It may have views of older generations open, so those
/// generations are kept.
Result<Opened> open_locked(const state::Environment& environment, const std::string& store,
                           const Options& options, std::shared_ptr<layout::StoreLock> lock);

/// Opens the databases of a copy for writing and starts a core on them, each database at the
/// version that phase 1 found. Rollback, clones and repair use it for their replay too. `directory`
/// is the generation (or clone) that holds `working/` and `flush/`.
Result<std::unique_ptr<commit::Core>> start_core(
    const state::Environment& environment, const Options& options, const std::string& store,
    const std::string& directory, const layout::Manifest& manifest, const CopyAnalysis& copy,
    std::shared_ptr<layout::StoreLock> lock, bool compaction = true);

/// Replays the log of `generation`, as walked in `survey`, up to and including `until`
/// (docs/specification.md#replay). Returns the number of blocks replayed.
Result<std::int64_t> replay_log(const state::Environment& environment, commit::Core& core,
                                const std::string& generation, const changelog::LogWalk& survey,
                                std::int64_t until);

/// The same, with a reader positioned before the next version to replay. `directory` is that of its
/// log, for messages.
Result<std::int64_t> replay_records(commit::Core& core, changelog::Reader& reader,
                                    const std::string& directory, std::int64_t until);

}  // namespace flatkv::recovery

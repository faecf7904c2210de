// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "commit/core.hpp"
#include "flatkv/progress.hpp"
#include "layout/lock.hpp"
#include "recovery/recovery_analysis.hpp"

namespace flatkv::recovery {

struct Opened {
  std::unique_ptr<commit::Core> core;
  OpenReport report;
};

/// Opens for writing (docs/specification.md#opening): takes the lock, runs phase 1
/// (`analyze_store`), builds the next generation if one is needed, then runs phase 2. Where blocks
/// are replayed, `progress` counts them: first with none done, at last with all.
Result<Opened> open_store(const state::Environment& environment, const std::string& store,
                          const Options& options, const ProgressCallback& progress = {});

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

}  // namespace flatkv::recovery

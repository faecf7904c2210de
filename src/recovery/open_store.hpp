// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "changelog/reader.hpp"
#include "commit/core.hpp"
#include "recovery/recovery_analysis.hpp"

namespace flatkv::recovery {

struct Opened {
  std::unique_ptr<commit::Core> core;
  OpenReport report;
};

/// Opens for writing (docs/specification.md#opening): lock, phase 1 (`examine`), the next
/// generation where one is needed, phase 2.
Result<Opened> open_store(const state::Environment& environment, const std::string& store,
                          const Options& options);

/// The same for a caller that holds the lock and may have views of older generations open: those
/// are left alone.
Result<Opened> open_locked(const state::Environment& environment, const std::string& store,
                           const Options& options, std::shared_ptr<layout::StoreLock> lock);

/// Opens the databases of a copy for writing and starts a core on them, each database at the
/// version that phase 1 found. Also what rollback, clones and repair replay on. `directory` is the
/// generation (or clone) whose `working/` and `flush/` are used.
Result<std::unique_ptr<commit::Core>> start_core(
    const state::Environment& environment, const Options& options, const std::string& store,
    const std::string& directory, const layout::Manifest& manifest, const CopyAnalysis& copy,
    std::shared_ptr<layout::StoreLock> lock, bool compaction = true);

/// Replays records up to and including `until` from a surveyed log of `generation`
/// (docs/specification.md#replay).
/// Returns how many.
Result<std::int64_t> replay_log(const state::Environment& environment, commit::Core& core,
                                const std::string& generation, const changelog::LogWalk& survey,
                                std::int64_t until);

/// The same with a reader that stands before the version to be replayed next; `directory` is its
/// log's, for messages.
Result<std::int64_t> replay_records(commit::Core& core, changelog::Reader& reader,
                                    const std::string& directory, std::int64_t until);

}  // namespace flatkv::recovery

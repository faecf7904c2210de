// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "base/log.hpp"
#include "layout/generation.hpp"
#include "layout/snapshot_manifest.hpp"
#include "state/open_generation.hpp"

namespace flatkv::commit {

/// The state to be held by a snapshot: the one that the databases were flushed at.
struct SnapshotRequest {
  layout::Manifest manifest;
  layout::StateSummary state;
  Digest chain{};
};

/// Checkpoints the five databases, which must all be exactly at the request's version, into the
/// generation: builds a -tmp directory with SNAPSHOT written last, renames it, and syncs. Does
/// nothing if a valid snapshot of that version and chain digest exists; replaces one of another
/// branch.
Status write_snapshot(fs::FileSystem& files, const std::string& generation,
                      const state::Databases& databases, const SnapshotRequest& request,
                      const Logger& logger);

/// What the file SNAPSHOT says, except for the list of files.
layout::SnapshotManifest manifest_of(const SnapshotRequest& request);

/// Up to which version a log (its directory) may be pruned of which the snapshots need nothing up
/// to `wanted`.
using KeepLog =
    std::function<Result<std::int64_t>(const std::string& changelog, std::int64_t wanted)>;

/// Removes all valid snapshots except the newest and `keep` older ones, then the log segments that
/// neither a kept snapshot nor `keep_log` needs. Before that, it removes snapshots of another
/// branch where an unbroken chain from their version to `version` proves it: without these segments
/// they could no longer be told apart.
Status prune_history(fs::FileSystem& files, const std::string& generation, std::int64_t version,
                     std::uint32_t keep, const KeepLog& keep_log, const Logger& logger);

}  // namespace flatkv::commit

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.hpp"
#include "layout/generation.hpp"
#include "state/open_generation.hpp"

namespace flatkv::commit {

/// The state that a snapshot is to hold: what the databases were flushed at.
struct SnapshotRequest {
  layout::Manifest manifest;
  layout::StateSummary state;
  Digest chain{};
};

/// Checkpoints the five databases, which must all be exactly at the request's version, into the
/// generation: -tmp directory, SNAPSHOT last, renamed, synced. Where a valid snapshot of that
/// version and chain digest is, nothing is done; one of another branch gives way.
Status write_snapshot(fs::FileSystem& files, const std::string& generation,
                      const state::Databases& databases, const SnapshotRequest& request,
                      const Logger& logger);

/// What its SNAPSHOT says, but for the list of files.
layout::SnapshotManifest manifest_of(const SnapshotRequest& request);

/// Removes all valid snapshots but the newest and `keep` older ones, then the log segments that no
/// kept one needs. Before those it removes the snapshots of another branch that the log tells apart
/// by an unbroken chain to `version`: without these segments nothing would tell them apart any
/// more.
Status prune_history(fs::FileSystem& files, const std::string& generation, std::int64_t version,
                     std::uint32_t keep, const Logger& logger);

}  // namespace flatkv::commit

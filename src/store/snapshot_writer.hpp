#pragma once

#include "layout/generation.hpp"
#include "store/lifetime.hpp"

namespace flatkv::store {

/// The state that a snapshot is to hold: what the databases were flushed at.
struct SnapshotRequest {
  layout::Manifest manifest;
  layout::StateSummary state;
  Digest chain{};
};

/// Checkpoints the five databases, which must all be exactly at the request's version, into the
/// generation: -tmp directory, SNAPSHOT last, renamed, synced. Where a valid snapshot of that
/// version is, nothing is done.
Status write_snapshot(fs::FileSystem& files, const std::string& generation,
                      const Databases& databases, const SnapshotRequest& request);

/// What its SNAPSHOT says, but for the list of files.
layout::SnapshotManifest manifest_of(const SnapshotRequest& request);

/// Removes all valid snapshots but the newest and `keep` older ones, then the log segments that no
/// kept one needs.
Status prune_history(fs::FileSystem& files, const std::string& generation, std::uint32_t keep);

}  // namespace flatkv::store

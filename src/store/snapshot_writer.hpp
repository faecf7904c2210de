#pragma once

#include "base/log.hpp"
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

/// Writes the file SNAPSHOT for the database copies that lie in `directory` and syncs it.
Status seal_snapshot(fs::FileSystem& files, const std::string& directory,
                     const SnapshotRequest& request);

/// Removes all valid snapshots but the newest and `keep` older ones, then the log segments that no
/// kept one needs. What is not valid is not counted, not trusted and left for people to look at.
Status prune_snapshots(fs::FileSystem& files, const std::string& generation, std::uint32_t keep,
                       const Logger& logger);

}  // namespace flatkv::store

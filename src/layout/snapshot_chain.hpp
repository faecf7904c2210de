// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "changelog/log_walk.hpp"
#include "layout/snapshots.hpp"

// Which snapshots of a generation belong to its chain of blocks.
//
// A snapshot says of itself that it is whole and of which store it is. It does not say that the
// blocks below it are those of the log beside it: an older copy restored over a store leaves the
// newer snapshots lying there, and other blocks get their numbers. So whoever reads, lists, keeps,
// counts or carries snapshots asks here:
//
//   the log keeps the version     the chain digest in SNAPSHOT has to be the log's. With another
//                                 one the snapshot is a stray: it is not valid, for any use.
//   the version is above the log  it counts for D, so an open refuses a store whose log ends below.
//   the version is below the log  nothing here tells. It can be read at its own version, with a
//                                 warning; nothing is replayed on it.
//
// A stray stays where it is, as evidence, until a newer snapshot takes its name, or until snapshots
// are pruned: then the log that shows what it is goes too.
namespace flatkv::layout {

enum class OnChain : std::uint8_t {
  yes,      ///< the log has its version under this chain digest
  no,       ///< the log has its version under another one
  unknown,  ///< the log does not keep its version
};

/// The chain digest of a version that the walk covers, reading headers only.
Result<Digest> digest_at(fs::FileSystem& files, const std::string& changelog,
                         const changelog::LogWalk& walk, const StoreId& store,
                         std::int64_t version);

/// Compares a snapshot with a walk over the log in `changelog`, reading headers only.
Result<OnChain> on_chain(fs::FileSystem& files, const std::string& changelog,
                         const changelog::LogWalk& walk, const SnapshotManifest& snapshot);

/// Marks an entry as a stray; its manifest becomes an error that says why.
void set_apart(SnapshotEntry& snapshot, const Digest& in_log);

/// Marks all strays in a list. A log that cannot be read marks none.
Status set_strays_apart(fs::FileSystem& files, const std::string& generation, const StoreId& store,
                        std::vector<SnapshotEntry>& snapshots);

/// list_snapshots with strays marked. None is marked if MANIFEST.json cannot tell the store id of
/// the log.
Result<std::vector<SnapshotEntry>> list_chain_snapshots(fs::FileSystem& files,
                                                        const std::string& generation,
                                                        bool check_files);

/// Whether the log leads from `from` to `to` without a break.
Result<bool> log_leads_on(fs::FileSystem& files, const std::string& generation, std::int64_t from,
                          std::int64_t to);

/// The warning for using a snapshot that the log cannot confirm.
std::string unknown_place(const SnapshotEntry& snapshot);

}  // namespace flatkv::layout

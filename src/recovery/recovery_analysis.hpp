// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "changelog/clean_marker.hpp"
#include "changelog/log_walk.hpp"
#include "layout/generation.hpp"
#include "recovery/copy_analysis.hpp"
#include "state/environment.hpp"
#include "state/metadata.hpp"

// Phase 1 of opening (docs/specification.md#opening): reads and decides. Changes nothing on disk.
namespace flatkv::recovery {

/// What recovery must do before the store can run.
enum class RecoveryPlan : std::uint8_t {
  open,          ///< use as it is; cut the log's bad tail, if any
  new_metadata,  ///< next generation with an empty metadata database
  new_log,       ///< next generation with a new log whose base is D
  rebuild,       ///< next generation whose working copy comes from a snapshot
};

struct RecoveryAnalysis {
  std::string store;
  layout::StoreSurvey survey;
  layout::Choice choice;
  std::string generation;  ///< path
  layout::Manifest manifest;
  CopyAnalysis copy;
  std::optional<changelog::CleanMark> clean;
  bool clean_believed = false;
  /// nullopt if there is no log, or if CLEAN is believed and all blocks are in the databases.
  std::optional<changelog::LogWalk> log;
  std::vector<layout::SnapshotEntry> snapshots;
  std::int64_t durable = 0;             ///< D
  std::optional<std::int64_t> reached;  ///< W
  RecoveryPlan plan = RecoveryPlan::open;
  std::optional<std::size_t> rebuild_from;  ///< index into snapshots
  std::vector<std::string> notes;           ///< to be logged once: cut tails, skipped files

  /// The lowest version that blocks can be undone to: nothing else on disk is of a later one. Of a
  /// usable copy.
  std::int64_t undo_floor() const;
};

/// Fills `found` as far as it gets; an error means that the open is refused. Scans rows only where
/// hashes or stats are missing (docs/specification.md#backfill).
Status analyze_store(const state::Environment& environment, const std::string& store,
                     RecoveryAnalysis& found);

/// What is known about a store apart from its databases: the store id, and roots lines from the
/// log, the snapshots and CLEAN.
class KnownRoots {
 public:
  KnownRoots(fs::FileSystem& files, const RecoveryAnalysis& found) : files_(files), found_(found) {}
  const layout::StoreId& store() const { return found_.manifest.store; }
  Result<std::optional<Roots>> at(std::int64_t version) const;

 private:
  fs::FileSystem& files_;
  const RecoveryAnalysis& found_;
};

}  // namespace flatkv::recovery

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "changelog/clean_marker.hpp"
#include "changelog/log_walk.hpp"
#include "layout/generation.hpp"
#include "state/environment.hpp"
#include "state/metadata.hpp"

// Phase 1 of opening (docs/specification.md#opening): looks and decides; cuts, removes and
// writes nothing.
namespace flatkv::recovery {

/// One data database of a copy as it was found.
struct DatabaseAnalysis {
  std::optional<Error> problem;  ///< missing, does not open, or lacks LocalMeta
  std::int64_t version = 0;      ///< Lᵢ
  LtHash hash;
  codec::Stats stats;
  bool backfilled = false;  ///< hash and stats are from a full scan and not on disk yet
  /// The metadata database of another store has just this of it: it came with that.
  bool of_another_store = false;
};

/// Five databases that lie together: the working copy, or a snapshot.
struct CopyAnalysis {
  std::array<DatabaseAnalysis, 4> data;
  std::optional<Error> metadata_problem;  ///< missing, not opening, or without some `_meta/*`
  std::optional<state::GlobalMeta> metadata;
  /// Why nothing can be built on it (docs/specification.md#unusable-databases).
  std::optional<Error> unusable;
  bool of_another_store = false;  ///< its metadata database is; therefore unusable
  std::string named;              ///< of a clone: the directory it was made from, which errors name

  std::int64_t lowest() const;
  std::int64_t highest() const;
  bool level_at(std::int64_t version) const;  ///< all Lᵢ
};

/// What has to happen before the store can run, after phase 1 found it openable.
enum class RecoveryPlan : std::uint8_t {
  open,          ///< as it is; the log's bad tail, if any, is cut
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
  std::optional<changelog::LogWalk> log;  ///< nothing where CLEAN is believed, or without a log
  std::vector<layout::SnapshotEntry> snapshots;
  std::int64_t durable = 0;             ///< D
  std::optional<std::int64_t> reached;  ///< W
  RecoveryPlan plan = RecoveryPlan::open;
  std::optional<std::size_t> rebuild_from;  ///< index into snapshots
  std::vector<std::string> notes;           ///< what is reported once: cut tails, passed-over files
};

/// Fills `found` as far as it gets; an error is the refusal. Scans rows only where hashes or counts
/// are missing (docs/specification.md#backfill).
Status analyze_store(const state::Environment& environment, const std::string& store,
                     RecoveryAnalysis& found);

/// What is known of a store apart from its databases: whose they have to be, and the roots line of
/// a version where the log, a snapshot or CLEAN keeps it.
class KnownRoots {
 public:
  KnownRoots(fs::FileSystem& files, const RecoveryAnalysis& found) : files_(files), found_(found) {}
  const layout::StoreId& store() const { return found_.manifest.store; }
  Result<std::optional<Roots>> at(std::int64_t version) const;

 private:
  fs::FileSystem& files_;
  const RecoveryAnalysis& found_;
};

/// What the databases of one copy say, and whether it can be believed. For a clone, `named` is the
/// directory that it was made from.
Result<CopyAnalysis> analyze_copy(const state::Environment& environment, const std::string& path,
                                  const KnownRoots& known, const std::string& named = {});

/// One database of a copy, opened read-only; `corruption` where it is missing or holds something
/// other than files. Of a clone, `named` is what it was made from.
struct OpenDatabase {
  std::shared_ptr<rocks::Db> db;
  std::shared_ptr<const rocks::PinnedDatabase> snapshot;
};
Result<OpenDatabase> open_read_only(const state::Environment& environment, const std::string& copy,
                                    Database which, const std::string& named = {});

/// Whether a failure says something about the files rather than about the machine at this moment.
bool is_damage(const Error& error);

}  // namespace flatkv::recovery

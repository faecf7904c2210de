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

// Phase 1 of opening (docs/specification.md#opening): reads and decides. Changes nothing on disk.
namespace flatkv::recovery {

/// Findings on one data database of a copy.
struct DatabaseAnalysis {
  std::optional<Error> problem;  ///< missing, does not open, or lacks LocalMeta
  std::int64_t version = 0;      ///< Lᵢ
  LtHash hash;
  DatabaseStats stats;
  bool backfilled = false;  ///< hash and stats come from a full scan and are not on disk yet
  /// It agrees with the metadata database of another store, so it came from there.
  bool of_another_store = false;
};

/// Findings on the five databases of one copy: the working copy or a snapshot.
struct CopyAnalysis {
  PerDataDatabase<DatabaseAnalysis> data;
  std::optional<Error> metadata_problem;  ///< missing, does not open, or lacks a value of `_meta/*`
  std::optional<state::GlobalMeta> metadata;
  /// Set if the copy is unusable (docs/specification.md#unusable-databases): the reason.
  std::optional<Error> unusable;
  bool of_another_store = false;  ///< its metadata database is of another store, so the copy is
                                  ///< unusable
  std::string named;              ///< for a clone: the directory it was cloned from, which errors
                                  ///< name

  std::int64_t lowest() const;
  std::int64_t highest() const;
  bool level_at(std::int64_t version) const;  ///< whether all Lᵢ equal it
};

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
  std::optional<changelog::LogWalk> log;  ///< nullopt if CLEAN is believed or there is no log
  std::vector<layout::SnapshotEntry> snapshots;
  std::int64_t durable = 0;             ///< D
  std::optional<std::int64_t> reached;  ///< W
  RecoveryPlan plan = RecoveryPlan::open;
  std::optional<std::size_t> rebuild_from;  ///< index into snapshots
  std::vector<std::string> notes;           ///< to be logged once: cut tails, skipped files
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

/// Reads the databases of one copy and decides whether they can be believed. For a clone, `named`
/// is the directory it was cloned from.
Result<CopyAnalysis> analyze_copy(const state::Environment& environment, const std::string& path,
                                  const KnownRoots& known, const std::string& named = {});

/// One database of a copy, opened read-only; `corruption` if it is missing or holds anything but
/// regular files. For a clone, `named` is the directory it was cloned from.
struct OpenDatabase {
  std::shared_ptr<rocks::Db> db;
  std::shared_ptr<const rocks::PinnedDatabase> snapshot;
};
Result<OpenDatabase> open_read_only(const state::Environment& environment, const std::string& copy,
                                    Database which, const std::string& named = {});

/// Whether a failure is caused by the files, and not by the machine's condition at the moment.
bool is_damage(const Error& error);

}  // namespace flatkv::recovery

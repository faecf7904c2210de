// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "flatkv/database.hpp"
#include "rocks/db.hpp"
#include "state/environment.hpp"
#include "state/metadata.hpp"

namespace flatkv::recovery {

class KnownRoots;

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

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "changelog/clean.hpp"
#include "changelog/survey.hpp"
#include "layout/generation.hpp"
#include "store/environment.hpp"
#include "store/metadata.hpp"

// Phase 1 of opening (docs/specification.md#opening): looks and decides; cuts, removes and
// writes nothing.
namespace flatkv::store {

/// One data database of a copy as it was found.
struct DataFinding {
  std::optional<Error> problem;  ///< missing, does not open, or lacks LocalMeta
  std::int64_t version = 0;      ///< Lᵢ
  LtHash hash;
  codec::Stats stats;
  bool backfilled = false;  ///< hash and stats are from a full scan and not on disk yet
  /// The metadata database of another store has just this of it: it came with that.
  bool of_another_store = false;
};

/// Five databases that lie together: the working copy, or a snapshot.
struct CopyFinding {
  std::array<DataFinding, 4> data;
  std::optional<Error> metadata_problem;  ///< missing, not opening, or without some `_meta/*`
  std::optional<GlobalMeta> metadata;
  /// Why nothing can be built on it (docs/specification.md#unusable-databases).
  std::optional<Error> unusable;
  bool of_another_store = false;  ///< its metadata database is; therefore unusable
  std::string named;              ///< of a clone: the directory it was made from, which errors name

  std::int64_t lowest() const;
  std::int64_t highest() const;
  bool level_at(std::int64_t version) const;  ///< all Lᵢ
};

/// What has to happen before the store can run, after phase 1 found it openable.
enum class Plan : std::uint8_t {
  open,          ///< as it is; the log's bad tail, if any, is cut
  new_metadata,  ///< next generation with an empty metadata database
  new_log,       ///< next generation with a new log whose base is D
  rebuild,       ///< next generation whose working copy comes from a snapshot
};

struct Examination {
  std::string store;
  layout::StoreSurvey survey;
  layout::Choice choice;
  std::string generation;  ///< path
  layout::Manifest manifest;
  CopyFinding copy;
  std::optional<changelog::CleanMark> clean;
  bool clean_believed = false;
  std::optional<changelog::Survey> log;  ///< nothing where CLEAN is believed, or without a log
  std::vector<layout::SnapshotEntry> snapshots;
  std::int64_t durable = 0;             ///< D
  std::optional<std::int64_t> reached;  ///< W
  Plan plan = Plan::open;
  std::optional<std::size_t> rebuild_from;  ///< index into snapshots
  std::vector<std::string> notes;           ///< what is reported once: cut tails, passed-over files
};

/// Fills `found` as far as it gets; an error is the refusal. Scans rows only where hashes or counts
/// are missing (docs/specification.md#backfill).
Status examine(const Environment& environment, const std::string& store, Examination& found);

/// What is known of a store apart from its databases: whose they have to be, and the roots line of
/// a version where the log, a snapshot or CLEAN keeps it.
class KnownRoots {
 public:
  KnownRoots(fs::FileSystem& files, const Examination& found) : files_(files), found_(found) {}
  const layout::StoreId& store() const { return found_.manifest.store; }
  Result<std::optional<Roots>> at(std::int64_t version) const;

 private:
  fs::FileSystem& files_;
  const Examination& found_;
};

/// What the databases of one copy say, and whether it can be believed. For a clone, `named` is the
/// directory that it was made from.
Result<CopyFinding> examine_copy(const Environment& environment, const std::string& path,
                                 const KnownRoots& known, const std::string& named = {});

/// One database of a copy, opened read-only; `corruption` where it is missing or holds something
/// other than files. Of a clone, `named` is what it was made from.
struct OpenDatabase {
  std::shared_ptr<engine::Db> db;
  std::shared_ptr<const engine::Snapshot> snapshot;
};
Result<OpenDatabase> open_read_only(const Environment& environment, const std::string& copy,
                                    Database which, const std::string& named = {});

/// Whether a failure says something about the files rather than about the machine at this moment.
bool is_damage(const Error& error);

/// Digest of one database in a roots line.
const Digest& checksum_of(const Roots& roots, Database database);

}  // namespace flatkv::store

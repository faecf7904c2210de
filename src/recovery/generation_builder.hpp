// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "changelog/log_walk.hpp"
#include "commit/snapshot_writer.hpp"
#include "layout/generation.hpp"
#include "state/environment.hpp"

namespace flatkv::recovery {

/// Builds the next generation of a store beside the live one (docs/specification.md#generations).
/// The live one stays untouched, and until `publish` swaps CURRENT the new one is only a directory
/// with a -tmp name, which the destructor removes. The caller holds the store's lock, has closed
/// what it opened in there when the builder goes, and decides what to carry over.
class GenerationBuilder {
 public:
  /// Creates the directory with MANIFEST.json, `working/` and `flush/`, replacing what an
  /// interrupted build left under that name.
  static Result<GenerationBuilder> begin(const state::Environment& environment,
                                         const std::string& store,
                                         const layout::StoreSurvey& survey, layout::Purpose purpose,
                                         const layout::Manifest& manifest);

  /// Path of the unfinished generation; ends with "-tmp".
  const std::string& path() const noexcept { return directory_->path(); }

  /// Links a closed database into `working/`.
  Status carry_database(Database which, const std::string& from);
  /// Creates a database in `working/` with one table written by `fill`, or an empty one without
  /// `fill`. `tables` are finished tables of rows in key order; they are ingested in the same
  /// atomic step.
  Status create_database(Database which,
                         const std::function<Status(rocks::TableWriter&)>& fill = {},
                         const std::vector<std::string>& tables = {});
  /// Options with which to open a database in `working/`.
  rocks::DbOptions database_options(Database which) const;
  /// Takes over another generation's log, cut after `until`.
  Status carry_log(const std::string& generation, const changelog::LogWalk& survey,
                   std::int64_t until);
  Status new_log(const changelog::Base& base);
  Status carry_snapshot(const layout::SnapshotEntry& snapshot);
  /// Takes a snapshot of `working/`; its databases must be closed.
  Status add_snapshot(const commit::SnapshotRequest& request);

  /// Writes CLEAN: the databases are at `version` with these roots, and the log ends there. Call
  /// last.
  Status leave_clean(std::int64_t version, const Roots& roots);

  /// Syncs the rest, renames the directory to its final name and swaps CURRENT: the commit point.
  /// Returns the generation's path.
  Result<std::string> publish();

 private:
  /// The -tmp directory. It takes space, so it does not outlive a build that fails; a forked child
  /// leaves its parent's alone.
  class Directory {
   public:
    Directory(fs::FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory();
    const std::string& path() const noexcept { return path_; }
    void published() noexcept { published_ = true; }

   private:
    fs::FileSystem& files_;
    std::string path_;
    bool published_ = false;
  };

  GenerationBuilder(const state::Environment& environment, std::string store,
                    std::string generation, std::string unfinished, layout::Manifest manifest);

  state::Environment environment_;
  fs::FileSystem* files_;
  std::string store_;
  std::string generation_;
  std::string unfinished_;
  layout::Manifest manifest_;
  std::unique_ptr<Directory> directory_;
};

}  // namespace flatkv::recovery

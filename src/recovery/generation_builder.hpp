// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "changelog/log_walk.hpp"
#include "commit/snapshot_writer.hpp"
#include "layout/generation.hpp"
#include "state/environment.hpp"

namespace flatkv::recovery {

/// Builds the next generation of a store beside the live one
/// (docs/specification.md#generations). Touches nothing of the live one; until `publish` swaps
/// CURRENT there is only a directory with a -tmp name. The caller holds the store's lock and has
/// chosen what to carry over.
class GenerationBuilder {
 public:
  /// Makes the directory with MANIFEST.json, `working/` and `flush/`; a leftover of that name goes.
  static Result<GenerationBuilder> begin(const state::Environment& environment,
                                         const std::string& store,
                                         const layout::StoreSurvey& survey, layout::Purpose purpose,
                                         const layout::Manifest& manifest);

  /// Where it is built; ends with "-tmp".
  const std::string& path() const noexcept { return path_; }

  /// Links a closed database into `working/`.
  Status carry_database(Database which, const std::string& from);
  /// A new database in `working/`, with one table that `fill` writes; empty without `fill`.
  /// `tables` are finished ones with rows, in key order, and come in by the same atomic step.
  Status create_database(Database which,
                         const std::function<Status(rocks::TableWriter&)>& fill = {},
                         const std::vector<std::string>& tables = {});
  /// What a database in `working/` is opened with.
  rocks::DbOptions database_options(Database which) const;
  /// The log of another generation, cut after `until`.
  Status carry_log(const std::string& generation, const changelog::LogWalk& survey,
                   std::int64_t until);
  Status new_log(const changelog::Base& base);
  Status carry_snapshot(const layout::SnapshotEntry& snapshot);
  /// A snapshot of what is in `working/` now; the databases must be closed.
  Status add_snapshot(const commit::SnapshotRequest& request);

  /// CLEAN: the databases are at `version`, whose roots line that is, and the log ends there. Last.
  Status leave_clean(std::int64_t version, const Roots& roots);

  /// Syncs what is left, gives the directory its final name and swaps CURRENT: the commit point.
  /// Returns the generation's path.
  Result<std::string> publish();

 private:
  GenerationBuilder(const state::Environment& environment, std::string store,
                    std::string generation, std::string unfinished, layout::Manifest manifest);

  state::Environment environment_;
  fs::FileSystem* files_;
  std::string store_;
  std::string generation_;
  std::string unfinished_;
  std::string path_;
  layout::Manifest manifest_;
};

}  // namespace flatkv::recovery

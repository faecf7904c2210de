#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layout/manifest.hpp"

namespace flatkv::layout {

inline constexpr std::array<Database, 5> kAllDatabases = {
    Database::account, Database::code, Database::storage, Database::legacy, Database::metadata};
inline constexpr std::array<Database, 4> kDataDatabases = {Database::account, Database::code,
                                                           Database::storage, Database::legacy};

enum class Purpose : std::uint8_t { init, import, rollback, repair, rebuild };
std::string_view to_string(Purpose purpose) noexcept;

/// Paths inside a generation.
std::string changelog_path(const std::string& generation);
std::string working_path(const std::string& generation);
std::string database_path(const std::string& copy,
                          Database database);  ///< copy: working or snapshot
std::string flush_path(const std::string& generation);
std::string snapshot_name(std::int64_t version);  ///< "snapshot-%020d"
std::string snapshot_path(const std::string& generation, std::int64_t version);
/// "<db>-%020d.sst" in the flush directory.
std::string flush_table_path(const std::string& generation, Database database,
                             std::int64_t version);

/// What lies in a store directory, by names alone. Unknown names are left alone and ignored.
struct StoreSurvey {
  bool exists = false;                 ///< the directory is there
  std::optional<std::string> current;  ///< what a readable CURRENT with a right digest names
  std::optional<Error>
      current_problem;  ///< why CURRENT does not count, where there is one that is bad
  std::vector<std::string> generations;  ///< complete: "gen-%08d" directories, ascending
  struct Unfinished {
    std::string name;
    Purpose purpose;
  };
  std::vector<Unfinished> unfinished;  ///< "gen-%08d-<purpose>-tmp"
  std::vector<std::string> clones;     ///< "readonly-…", with or without -tmp
};
/// `corruption` where a file, link or device stands in place of a directory.
Result<StoreSurvey> survey_store(fs::FileSystem& files, const std::string& store);

/// The live generation's name by the rule of spec §6, and whether CURRENT has to be written again.
struct Choice {
  std::string name;
  bool current_missing = false;
};
/// `not_found` (no store), `import_incomplete`, `corruption` (several, named).
Result<Choice> choose_generation(const std::string& store, const StoreSurvey& survey);

/// Name of the next generation and of its directory while it is built.
std::string next_generation(const StoreSurvey& survey);
std::string unfinished_name(const std::string& generation, Purpose purpose);

/// Writes CURRENT (by rename) so that it names `generation`; durable on return: the commit point.
Status swap_current(fs::FileSystem& files, const std::string& store, const std::string& generation);

/// Renames the finished directory to its final name and syncs the store directory, then swaps.
Status publish_generation(fs::FileSystem& files, const std::string& store,
                          const std::string& unfinished, const std::string& generation);

/// With a good CURRENT: removes generations that it does not name, unfinished ones, and clones
/// whose flock can be taken. Best effort: what cannot be removed is reported by name, never an
/// error.
std::vector<std::string> remove_leftovers(fs::FileSystem& files, const std::string& store,
                                          const StoreSurvey& survey, const std::string& live);

/// A snapshot directory of a generation: its manifest, or why it is not valid.
struct SnapshotEntry {
  std::string name;
  std::string path;
  std::int64_t version = 0;  ///< from the name
  Result<SnapshotManifest> manifest;
};
/// Ascending by version. SNAPSHOT is read and checked; `check_files` also compares sizes and CRCs.
Result<std::vector<SnapshotEntry>> list_snapshots(fs::FileSystem& files,
                                                  const std::string& generation, bool check_files);

/// The lock of a store (flock on its directory), with the holder's name in LOCK for people.
class StoreLock {
 public:
  /// Tries for `wait_ms`; `locked` names the holder as LOCK tells it.
  static Result<StoreLock> take(fs::FileSystem& files, const std::string& store, unsigned wait_ms);
  /// `store_failed` if the directory was moved away or replaced.
  Status check(const std::string& store) const;

 private:
  std::unique_ptr<fs::DirLock> lock_;
};

}  // namespace flatkv::layout

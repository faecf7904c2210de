// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layout/manifest.hpp"
#include "layout/snapshots.hpp"

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

/// The path to work with for the path that the user gave: itself, made absolute, or where it leads
/// if it is a symbolic link (the user's choice; resolved once, at open). What the process takes for
/// its directory later does not matter. Inside a store no link is followed.
Result<std::string> resolve_store_path(fs::FileSystem& files, const std::string& given);

/// The content of CURRENT.
Bytes encode_current(const std::string& generation);
/// The generation's name; `corruption`, or `format_too_new`.
Result<std::string> decode_current(ByteView bytes);

/// What lies in a store directory, by names alone. Unknown names are left alone and ignored.
struct StoreSurvey {
  bool exists = false;                 ///< the directory is there
  std::optional<std::string> current;  ///< what a readable CURRENT with a right digest names
  std::optional<Error>
      current_problem;  ///< why CURRENT does not count, where there is one that is bad
  std::vector<std::string> generations;  ///< complete: "gen-%08d" directories, ascending
  /// "gen-%08d-<purpose>-tmp", and a "gen-%08d" that is marked as removed (removal.hpp).
  struct Unfinished {
    std::string name;
    Purpose purpose;
  };
  std::vector<Unfinished> unfinished;  ///< "gen-%08d-<purpose>-tmp"
  std::vector<std::string> clones;     ///< "readonly-…", with or without -tmp
};
/// `corruption` where a file, link or device stands in place of a directory; `format_too_new` for a
/// sound CURRENT of a newer format. Changes nothing.
Result<StoreSurvey> survey_store(fs::FileSystem& files, const std::string& store);

/// The live generation's name (docs/specification.md#current), and whether CURRENT has to be
/// written again.
struct Choice {
  std::string name;
  bool current_missing = false;
};
/// Errors: `not_found` (no store), `import_incomplete`, `corruption` (several generations, named;
/// or none, where remains show that there was a store, which is never initialised anew:
/// docs/hazards.md#lost-store-created-anew).
Result<Choice> choose_generation(const std::string& store, const StoreSurvey& survey);

/// Name of the next generation and of its directory while it is built.
/// The name of something in `store` that no store has there; nothing where all is ours, or where
/// nothing is.
Result<std::optional<std::string>> foreign_entry(fs::FileSystem& files, const std::string& store);

std::string next_generation(const StoreSurvey& survey);
std::string unfinished_name(const std::string& generation, Purpose purpose);

/// Whether what a generation consists of is made of real directories, where it is there at all;
/// `corruption` for a file, link or device in place of one.
Status check_directories(fs::FileSystem& files, const std::string& generation);

/// Writes CURRENT (by rename) so that it names `generation`; durable on return: the commit point.
/// After an error it is not known which generation a later open finds: the caller's store has
/// failed.
Status swap_current(fs::FileSystem& files, const std::string& store, const std::string& generation);

/// Renames the finished directory to its final name and syncs the store directory, then swaps.
/// All in the directory is synced already; the directory itself is synced here once more.
Status publish_generation(fs::FileSystem& files, const std::string& store,
                          const std::string& unfinished, const std::string& generation);

/// Removes a generation that CURRENT does not name. It loses its name first (renamed to a -tmp one,
/// store directory synced), so that what a crash leaves of it can never pass for a complete one; or
/// is marked as removed where it cannot be renamed. Nothing there is no error.
Status remove_generation(fs::FileSystem& files, const std::string& store, const std::string& name);

/// With CURRENT naming `live`, which is looked at once more: removes generations that it does not
/// name, unfinished ones, and clones whose flock can be taken. Best effort: what cannot be removed
/// is reported, one line each, never an error.
std::vector<std::string> remove_leftovers(fs::FileSystem& files, const std::string& store,
                                          const StoreSurvey& survey, const std::string& live);

/// Removes clones in a directory whose flock can be taken: their readers died. Any process may,
/// beside readers that make clones there and others that remove them.
std::vector<std::string> remove_orphans(fs::FileSystem& files, const std::string& directory);

/// The same inside the live generation: "snapshot-…-tmp", what lies in flush/ (which is made if it
/// is missing) and "-tmp" files beside MANIFEST.json.
std::vector<std::string> remove_unfinished(fs::FileSystem& files, const std::string& generation);

/// Who wrote LOCK last. Says nothing of whether the lock is held.
struct LockHolder {
  std::int64_t pid = 0;
  std::string host;
  std::string since;  ///< UTC, ISO 8601
};
/// Nothing where LOCK is missing or does not read as one.
std::optional<LockHolder> read_lock_holder(fs::FileSystem& files, const std::string& store);

/// The lock of a store (flock on its directory), with the holder's name in LOCK for people.
class StoreLock {
 public:
  /// Tries for `wait_ms`; `locked` names the holder as LOCK tells it. `unsupported` on a network
  /// file system, `not_found` without a directory. The path is one that `resolve_store_path` gave.
  static Result<StoreLock> take(fs::FileSystem& files, const std::string& store, unsigned wait_ms);
  /// `store_failed` if the directory was moved away or replaced.
  Status check(const std::string& store) const;

 private:
  explicit StoreLock(std::unique_ptr<fs::DirLock> lock) : lock_(std::move(lock)) {}
  std::unique_ptr<fs::DirLock> lock_;
};

}  // namespace flatkv::layout

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layout/manifest.hpp"
#include "layout/snapshots.hpp"

namespace flatkv::layout {

enum class Purpose : std::uint8_t { init, import, rollback, repair, rebuild };
std::string_view to_string(Purpose purpose) noexcept;

/// Paths inside a generation.
std::string changelog_path(const std::string& generation);
std::string working_path(const std::string& generation);
std::string database_path(const std::string& copy,
                          Database database);  ///< `copy`: path of the working copy or of a
                                               ///< snapshot
std::string flush_path(const std::string& generation);
std::string snapshot_name(std::int64_t version);  ///< "snapshot-%020d"
std::string snapshot_path(const std::string& generation, std::int64_t version);
/// Path of "<db>-%020d.sst" in the flush directory.
std::string flush_table_path(const std::string& generation, Database database,
                             std::int64_t version);

/// The path under which to work for the path that the user gave: absolute, and with a symbolic link
/// at its end resolved, since that is the user's choice. Resolved once, at open, so a later change
/// of the process's directory does not matter. Inside a store no link is followed.
Result<std::string> resolve_store_path(fs::FileSystem& files, const std::string& given);

/// The content of CURRENT.
Bytes encode_current(const std::string& generation);
/// The generation's name. Errors: `corruption`, `format_too_new`.
Result<std::string> decode_current(ByteView bytes);

/// The entries of a store directory, by names alone. Unknown names are ignored.
struct StoreSurvey {
  bool exists = false;                   ///< the directory is there
  std::optional<std::string> current;    ///< the generation that a readable CURRENT with a right
                                         ///< digest names
  std::optional<Error> current_problem;  ///< why CURRENT does not count, if there is a bad one
  std::vector<std::string> generations;  ///< complete: "gen-%08d" directories, ascending
  /// "gen-%08d-<purpose>-tmp", and a "gen-%08d" that is marked as removed (removal.hpp).
  struct Unfinished {
    std::string name;
    Purpose purpose;
  };
  std::vector<Unfinished> unfinished;  ///< "gen-%08d-<purpose>-tmp"
  std::vector<std::string> clones;     ///< "readonly-…", with or without -tmp
  bool import_parts = false;           ///< parts of an import that is not over are there
};
/// Surveys a store directory and changes nothing. `corruption` if a file, link or device stands in
/// place of a directory; `format_too_new` for a sound CURRENT of a newer format.
Result<StoreSurvey> survey_store(fs::FileSystem& files, const std::string& store);

/// The live generation's name (docs/specification.md#current), and whether CURRENT must be
/// rewritten.
struct Choice {
  std::string name;
  bool current_missing = false;
};
/// Chooses the live generation. Errors: `not_found` (no store), `import_incomplete`, `corruption`
/// (several generations, which it names; or none although remains show that there was a store,
/// which is never initialised anew: docs/hazards.md#lost-store-created-anew).
Result<Choice> choose_generation(const std::string& store, const StoreSurvey& survey);

/// The name of an entry of `store` that does not belong to a store; nullopt if there is none, or no
/// directory.
Result<std::optional<std::string>> foreign_entry(fs::FileSystem& files, const std::string& store);

/// Name of the next generation, and of its directory while it is built.
std::string next_generation(const StoreSurvey& survey);
std::string unfinished_name(const std::string& generation, Purpose purpose);

/// Checks that the parts of a generation that exist are real directories; `corruption` for a file,
/// link or device in place of one.
Status check_directories(fs::FileSystem& files, const std::string& generation);

/// Writes CURRENT (by rename) so that it names `generation`. The commit point; durable on return.
/// After an error it is unknown which generation a later open finds, so the caller's store has
/// failed.
Status swap_current(fs::FileSystem& files, const std::string& store, const std::string& generation);

/// Syncs the finished directory and writes the next CURRENT beside the live one: nothing after that
/// takes space. Then renames the directory to its final name, syncs the store directory and swaps
/// CURRENT. The caller has synced everything inside the directory.
Status publish_generation(fs::FileSystem& files, const std::string& store,
                          const std::string& unfinished, const std::string& generation);

}  // namespace flatkv::layout

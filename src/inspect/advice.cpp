// SPDX-License-Identifier: Apache-2.0
#include "inspect/advice.hpp"

#include <algorithm>
#include <array>
#include <ranges>

#include "fs/files.hpp"

namespace flatkv::inspect {
namespace {

class Doctor {
 public:
  Doctor(fs::FileSystem& files, const Refused& refused)
      : files_(files), refused_(refused), store_(refused.place.store) {}

  Result<std::vector<std::string>> run() {
    switch (refused_.problem.code) {
      case ErrorCode::import_incomplete:
        say("flatkv import FILE " + store_);
        return std::move(all_);
      case ErrorCode::format_too_new:
        say("a newer flatkv, the one that wrote " + refused_.problem.path);
        return std::move(all_);
      case ErrorCode::permission:
        say("run as the owner of " + refused_.problem.path + ", or give yourself access to it");
        return std::move(all_);
      case ErrorCode::no_space:
        say("free some space on the file system of " + store_ + ", then open it again");
        return std::move(all_);
      case ErrorCode::foreign_store:
        say("remove what belongs to another store: " + refused_.problem.path);
        break;
      case ErrorCode::corruption:
      case ErrorCode::log_gap:
      case ErrorCode::log_behind:
      case ErrorCode::not_found:
        break;
      default:
        say("check the disk and the system's log for " + refused_.problem.path +
            ", then open the store again");
        return std::move(all_);
    }
    FLATKV_TRY(damage());
    return std::move(all_);
  }

 private:
  void say(std::string step) {
    if (std::ranges::find(all_, step) == all_.end()) all_.push_back(std::move(step));
  }
  void suggest_repair(const std::vector<Database>& databases, const char* source = "") {
    std::string command = "flatkv repair " + store_;
    for (const Database one : databases) command += " --db " + std::string(to_string(one));
    say(command + source);
  }
  void repair_from_stream(const std::vector<Database>& databases) {
    suggest_repair(databases, " --from STREAM");
  }

  Status damage() {
    FLATKV_TRY(out_of_place());
    const bool chosen = !refused_.place.generation.empty();
    if (!chosen && refused_.found.survey.generations.size() > 1) {
      say("remove all of these but the right one, from " + store_ + ": " + generations());
      return {};
    }
    if (chosen) {
      databases();
      if (refused_.manifest != nullptr) {
        FLATKV_TRY(rollbacks());
      } else {
        manifest();
      }
    }
    say("flatkv import FILE " + store_ + " --force");
    return {};
  }

  /// A link or anything else that took the place of a directory or a file.
  Status out_of_place() {
    const std::string& path = refused_.problem.path;
    if (path.empty()) return {};
    const auto info = files_.stat(path);
    if (!info) return {};
    if (info->type == fs::FileType::symlink) {
      say("put what the link leads to in its place, since none is followed: `readlink -f " + path +
          "`, then `mv` that to " + path);
    } else if (info->type == fs::FileType::other) {
      say("move away what does not belong in a store: " + path);
    } else if (info->type == fs::FileType::file && is_directory_name(path)) {
      say("move away the file that stands where a directory belongs: " + path);
    }
    return {};
  }

  static bool is_directory_name(const std::string& path) {
    static constexpr std::array<std::string_view, 8> kNames = {
        "changelog", "working", "flush", "account", "code", "storage", "legacy", "metadata"};
    const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
    return std::ranges::find(kNames, name) != kNames.end() || name.starts_with("gen-") ||
           name.starts_with("snapshot-");
  }

  std::string generations() const {
    std::string text;
    for (const auto& name : refused_.found.survey.generations) {
      text += (text.empty() ? "" : ", ") + name;
    }
    return text;
  }

  void databases() {
    const std::optional<Database>& named = refused_.problem.database;
    if (named) {
      // If the log confirms the data database, the metadata's copy of its hash is wrong.
      if (*named == Database::metadata || !refused_.found.copy.unusable) {
        suggest_repair({Database::metadata});
      }
      const std::vector<Database> damaged = damaged_with(*named);
      suggest_repair(damaged);
      if (*named != Database::metadata) repair_from_stream(damaged);
    }
    if (refused_.problem.code != ErrorCode::log_gap || !refused_.found.log) return;
    for (const Database which : kDataDatabases) {
      const auto& own = refused_.found.copy.data[which];
      if (!own.problem && own.version < refused_.found.log->base.version) {
        repair_from_stream({which});
      }
    }
  }

  /// All data databases that are unreadable must be repaired in one run: none can be repaired while
  /// another one is missing.
  std::vector<Database> damaged_with(Database named) const {
    std::vector<Database> all;
    for (const Database which : kDataDatabases) {
      const auto& own = refused_.found.copy.data[which];
      if (which == named || own.problem) all.push_back(which);
    }
    if (named == Database::metadata) all.push_back(named);
    return all;
  }

  Status rollbacks() {
    const std::optional<std::int64_t>& bad = refused_.problem.version;
    const auto& log = refused_.found.log;
    // A complete record that cannot be replayed, with the chain leading through it.
    if (bad && log && *bad > log->base.version && *bad <= log->tip.version) rollback_to(*bad - 1);
    std::optional<Error> problem;
    FLATKV_ASSIGN(const auto reach, recovery::find_reach(files_, refused_.place, *refused_.manifest,
                                                         refused_.snapshots, problem));
    for (const auto& one : reach | std::views::reverse) rollback_to(one.last);
    for (const auto& one : reach | std::views::reverse) rollback_to(one.version);
    return {};
  }
  void rollback_to(std::int64_t version) {
    say("flatkv rollback " + store_ + " " + std::to_string(version));
  }

  /// Every snapshot holds a complete copy of MANIFEST.json.
  void manifest() {
    const std::string lost = fs::join(refused_.place.generation, layout::kManifestFile);
    for (const layout::SnapshotEntry& entry : refused_.snapshots) {
      if (!entry.manifest) continue;
      say("jq -j .manifest " + fs::join(entry.path, layout::kSnapshotFile) + " > " + lost);
      return;
    }
  }

  fs::FileSystem& files_;
  const Refused& refused_;
  const std::string& store_;
  std::vector<std::string> all_;
};

}  // namespace

Result<std::vector<std::string>> advice(fs::FileSystem& files, const Refused& refused) {
  return Doctor(files, refused).run();
}

}  // namespace flatkv::inspect

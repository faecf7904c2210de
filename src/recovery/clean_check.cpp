// SPDX-License-Identifier: Apache-2.0
#include "recovery/clean_check.hpp"

#include <algorithm>

#include "changelog/log_walk.hpp"
#include "changelog/record.hpp"
#include "changelog/undo_mark.hpp"
#include "fs/files.hpp"
#include "layout/snapshot_chain.hpp"

namespace flatkv::recovery {

Status read_own_clean(fs::FileSystem& files, RecoveryAnalysis& found) {
  FLATKV_ASSIGN(found.clean, changelog::read_clean(files, found.generation));
  if (found.clean && found.clean->store != found.manifest.store) {
    found.notes.push_back("CLEAN is of another store and is ignored");
    found.clean.reset();
  }
  return {};
}

Result<bool> clean_fits_log(fs::FileSystem& files, RecoveryAnalysis& found) {
  if (!found.clean) return false;
  const std::string log = layout::changelog_path(found.generation);
  for (layout::SnapshotEntry& snapshot : found.snapshots) {
    if (!snapshot.manifest) continue;
    if (snapshot.version > found.clean->version) return false;
    // Snapshots below CLEAN are checked where they are used: a clean open does not read the log.
    if (snapshot.version == found.clean->version &&
        snapshot.manifest->chain != found.clean->digest) {
      layout::set_apart(snapshot, found.clean->digest);
    }
  }
  // An undo removes CLEAN before it begins: one beside it came from elsewhere.
  FLATKV_ASSIGN(const auto undo, changelog::read_undo(files, log, found.manifest.store));
  if (undo) return false;
  const std::string path = fs::join(log, found.clean->segment);
  auto info = files.stat(path);
  if (!info) {
    if (info.error().code == ErrorCode::not_found) return false;
    return std::unexpected(std::move(info).error());
  }
  if (info->type != fs::FileType::file || info->size != found.clean->bytes) return false;
  FLATKV_ASSIGN(const auto names, files.list(log));
  for (const auto& entry : names) {  // a writer removes CLEAN before it starts a segment above it
    const auto first = changelog::parse_segment_name(entry.name);
    if (first && entry.name > found.clean->segment) return false;
  }
  FLATKV_ASSIGN(const auto file, files.open_read(path));
  Bytes header(changelog::kSegmentHeaderBytes);
  FLATKV_ASSIGN(const std::size_t got, file->read_at(0, header));
  header.resize(got);
  auto decoded = changelog::decode_segment_header(header);
  if (!decoded) decoded.error().path = path;
  FLATKV_TRY(decoded);
  if (decoded->store != found.manifest.store) {
    return fail(ErrorCode::foreign_store, "changelog segment of another store").path(path);
  }
  return true;
}

Result<std::optional<changelog::LogWalk>> walk_unflushed(fs::FileSystem& files,
                                                         const RecoveryAnalysis& found) {
  changelog::SurveyOptions options;
  options.store = found.manifest.store;
  options.from_version = found.clean->flushed();
  FLATKV_ASSIGN(auto log,
                changelog::walk_segments(files, layout::changelog_path(found.generation), options));
  const bool fits = log && !log->damage && log->base.version <= found.clean->flushed() &&
                    log->tip.version == found.clean->version &&
                    log->tip.digest == found.clean->digest;
  if (!fits) log.reset();
  return log;
}

bool clean_fits_copy(const changelog::CleanMark& clean, const CopyAnalysis& copy) {
  return !copy.unusable && copy.metadata && copy.metadata->version == clean.flushed() &&
         copy.level_at(clean.flushed());
}

bool clean_tells_of_copy(const std::optional<changelog::CleanMark>& clean, const CopyAnalysis& copy,
                         std::int64_t durable) {
  if (!clean || clean->version != durable) return false;
  return std::ranges::all_of(kDataDatabases, [&](Database which) {
    const DatabaseAnalysis& own = copy.data[which];
    return own.problem || own.version != durable || own.hash.checksum() == clean->roots.of(which);
  });
}

}  // namespace flatkv::recovery

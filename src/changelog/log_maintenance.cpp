// SPDX-License-Identifier: Apache-2.0
#include "changelog/log_maintenance.hpp"

#include <algorithm>

#include "base/failpoint.hpp"
#include "changelog/reader.hpp"
#include "changelog/segment_file.hpp"
#include "fs/files.hpp"

namespace flatkv::changelog {
namespace {

Status unlink_if_there(fs::FileSystem& files, const std::string& path) {
  Status status = files.unlink(path);
  if (!status && status.error().code == ErrorCode::not_found) return {};
  return status;
}

/// Removes a segment durably before anything else is removed.
Status remove_segment(fs::FileSystem& files, const std::string& directory,
                      const std::string& name) {
  FLATKV_FAILPOINT("changelog.prune.before_unlink");
  FLATKV_TRY(unlink_if_there(files, fs::join(directory, name)));
  FLATKV_FAILPOINT("changelog.prune.after_unlink");
  FLATKV_TRY(files.sync_directory(directory));
  FLATKV_FAILPOINT("changelog.prune.after_sync");
  return {};
}

}  // namespace

Status create_log(fs::FileSystem& files, const std::string& directory, const StoreId& store,
                  const Base& base) {
  FLATKV_TRY(files.make_directory(directory));
  return create_segment(files, directory, {store, base});
}

Status reseal(fs::FileSystem& files, const std::string& directory, const Tip& tip) {
  FLATKV_ASSIGN(const Listing listing, list_segments(files, directory));
  FLATKV_FAILPOINT("changelog.reseal.before");
  for (const std::string& name : listing.temporary) {
    FLATKV_TRY(unlink_if_there(files, fs::join(directory, name)));
  }
  FLATKV_FAILPOINT("changelog.reseal.after_temporary");
  // Do this first, newest first: once the tip's segment ends with a whole record, a segment left
  // above it would look like the far side of a gap.
  for (std::size_t i = listing.segments.size(); i-- > 0;) {
    const std::string& name = listing.segments[i].name;
    if (name <= tip.segment) break;
    FLATKV_FAILPOINT("changelog.reseal.before_remove");
    FLATKV_TRY(unlink_if_there(files, fs::join(directory, name)));
    FLATKV_TRY(files.sync_directory(directory));
  }
  const std::string path = fs::join(directory, tip.segment);
  const std::string temporary = path + std::string(kTemporarySuffix);
  FLATKV_FAILPOINT("changelog.reseal.before_copy");
  FLATKV_TRY(fs::copy_file(files, path, temporary, tip.end_offset));
  FLATKV_FAILPOINT("changelog.reseal.after_copy");
  FLATKV_TRY(files.rename(temporary, path));
  FLATKV_FAILPOINT("changelog.reseal.after_rename");
  FLATKV_TRY(files.sync_directory(directory));
  FLATKV_FAILPOINT("changelog.reseal.after_sync");
  return {};
}

Result<bool> is_shared(fs::FileSystem& files, const std::string& directory, const Tip& tip) {
  FLATKV_ASSIGN(const fs::FileInfo info, files.stat(fs::join(directory, tip.segment)));
  return info.links > 1;
}

Status prune(fs::FileSystem& files, const std::string& directory, std::int64_t keep_after) {
  FLATKV_ASSIGN(const Listing listing, list_segments(files, directory));
  for (std::size_t i = 0; i + 1 < listing.segments.size(); ++i) {
    if (listing.segments[i + 1].first_version - 1 > keep_after) break;
    FLATKV_TRY(remove_segment(files, directory, listing.segments[i].name));
  }
  return {};
}

Status remove_strays(fs::FileSystem& files, const std::string& directory, const LogWalk& survey) {
  for (const std::string& name : survey.strays) {
    FLATKV_TRY(remove_segment(files, directory, name));
  }
  return {};
}

Status clone_until(fs::FileSystem& files, const std::string& from, const std::string& to,
                   const LogWalk& survey, const StoreId& store, std::int64_t version) {
  if (version < survey.base.version || version > survey.tip.version) {
    return fail(ErrorCode::log_gap, "the changelog reaches from version " +
                                        std::to_string(survey.base.version + 1) + " to " +
                                        std::to_string(survey.tip.version))
        .path(from)
        .version(version);
  }
  FLATKV_ASSIGN(const auto end, find_record(files, from, survey, store, version));
  FLATKV_FAILPOINT("changelog.clone.before");
  FLATKV_TRY(files.make_directory(to));
  FLATKV_FAILPOINT("changelog.clone.after_directory");
  if (!end) return create_segment(files, to, {store, survey.base});
  for (const Segment& segment : survey.segments) {
    // Copy the last segment even if all of it counts: it will be appended to.
    if (segment.name == end->segment) break;
    FLATKV_TRY(fs::link_or_copy(files, fs::join(from, segment.name), fs::join(to, segment.name)));
    FLATKV_FAILPOINT("changelog.clone.after_link");
  }
  FLATKV_TRY(fs::copy_file(files, fs::join(from, end->segment), fs::join(to, end->segment),
                           end->end_offset));
  FLATKV_FAILPOINT("changelog.clone.after_copy");
  FLATKV_TRY(files.sync_directory(to));
  FLATKV_FAILPOINT("changelog.clone.after_sync");
  return {};
}

}  // namespace flatkv::changelog

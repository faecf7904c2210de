// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "changelog/log_walk.hpp"

// Everything that changes a log other than by appending to it.
namespace flatkv::changelog {

/// Creates `directory` with one segment that has only a header: written to a -tmp file, synced,
/// renamed, directory synced. The caller syncs the parent.
Status create_log(fs::FileSystem& files, const std::string& directory, const StoreId& store,
                  const Base& base);

/// Copies the first `tip.end_offset` bytes of the tip's segment to a new file, syncs it, renames it
/// over the old one and syncs the directory. Before that, removes the segments above it (none of
/// them counts), newest first, and `-tmp` files. Idempotent: interrupted anywhere and run again, it
/// gives the same result.
Status reseal(fs::FileSystem& files, const std::string& directory, const Tip& tip);

/// Whether the tip's segment has a second name (`cp -al`). An append would then change the other
/// copy too, so it must be resealed first.
Result<bool> is_shared(fs::FileSystem& files, const std::string& directory, const Tip& tip);

/// Removes whole segments whose records are all at or below `keep_after`, oldest first, with a
/// directory sync after each; never the last segment.
Status prune(fs::FileSystem& files, const std::string& directory, std::int64_t keep_after);

/// Removes the strays that `survey` found, with the same syncs. The caller must know that no
/// snapshot needs them: walk from the oldest version that is to stay reachable.
Status remove_strays(fs::FileSystem& files, const std::string& directory, const LogWalk& survey);

/// Creates `to` with the log of `from` cut after `version`: links sealed segments, copies the one
/// that holds `version` up to it; if no record is left, writes a header with that base. Syncs all,
/// `to` included; the caller syncs its parent. Takes only the segments in `survey`, so walk from
/// the oldest version that is to stay reachable. `log_gap` for a version outside of it.
Status clone_until(fs::FileSystem& files, const std::string& from, const std::string& to,
                   const LogWalk& survey, const StoreId& store, std::int64_t version);

}  // namespace flatkv::changelog

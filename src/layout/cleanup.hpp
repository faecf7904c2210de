// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "layout/generation.hpp"

namespace flatkv::layout {

/// Removes a generation that CURRENT does not name. First renames it to a -tmp name and syncs the
/// store directory, so that the remains after a crash never pass for a complete generation; if it
/// cannot be renamed, marks it as removed. OK if it does not exist.
Status remove_generation(fs::FileSystem& files, const std::string& store, const std::string& name);

/// Removes other generations, unfinished ones, and clones whose flock is free, after checking once
/// more that CURRENT names `live`. Best effort: returns one line for each entry that it could not
/// remove.
std::vector<std::string> remove_leftovers(fs::FileSystem& files, const std::string& store,
                                          const StoreSurvey& survey, const std::string& live);

/// Removes the orphans in a directory: clones whose flock is free. Any process may call it, even
/// while readers make clones there and others remove them.
std::vector<std::string> remove_orphans(fs::FileSystem& files, const std::string& directory);

/// The same inside the live generation: "snapshot-…-tmp", the content of flush/ (which is created
/// if missing) and "-tmp" files beside MANIFEST.json.
std::vector<std::string> remove_unfinished(fs::FileSystem& files, const std::string& generation);

}  // namespace flatkv::layout

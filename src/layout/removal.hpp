// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/error.hpp"
#include "fs/file_system.hpp"

// A generation or snapshot is renamed before it is removed, so that what a crash leaves is seen to
// be remains. A directory that cannot be renamed (one in a lower layer of overlayfs) is removed
// under its own name; a file REMOVED in it says that it does not count.
namespace flatkv::layout {

inline constexpr const char* kRemovedFile = "REMOVED";

/// Whether a removal in place of this directory has begun, so that it counts as absent. False if
/// the directory cannot be read.
bool is_removed(fs::FileSystem& files, const std::string& path);
/// Whether the next cleanup may remove the rest. Also true if the mark is gone already but the
/// directory is not.
bool is_remnant(fs::FileSystem& files, const std::string& path);

/// Marks the directory as removed, then removes it; durable on return. After a crash, call it again
/// to finish.
Status remove_in_place(fs::FileSystem& files, const std::string& parent, const std::string& name);

}  // namespace flatkv::layout

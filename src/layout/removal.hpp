// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/error.hpp"
#include "fs/file_system.hpp"

// A generation or a snapshot that is removed loses its name first, so that what a crash leaves of
// it is seen to be a remnant. Where a directory cannot be renamed (on an overlay, one that a layer
// below holds) it is removed under its name, and a file REMOVED in it says that it does not count.
namespace flatkv::layout {

inline constexpr const char* kRemovedFile = "REMOVED";

/// Whether a removal in place has begun with a directory: it counts as not there. Of one that
/// cannot be looked into that is not known, so it has not.
bool is_removed(fs::FileSystem& files, const std::string& path);
/// Whether the next cleanup may have the rest of it: also where the mark was removed already, but
/// not the directory.
bool is_remnant(fs::FileSystem& files, const std::string& path);

/// Marks it, then removes it; durable on return. After a crash the same call goes on.
Status remove_in_place(fs::FileSystem& files, const std::string& parent, const std::string& name);

}  // namespace flatkv::layout

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace flatkv::fs {

/// Whether a `statfs` type is a known network or cluster file system, where flock, fsync and rename
/// do not keep the promises that the store needs. FUSE does not count: most of it is local.
bool is_network_type(std::uint32_t type) noexcept;

}  // namespace flatkv::fs

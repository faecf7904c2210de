#pragma once

#include <cstdint>

namespace flatkv::fs {

/// Whether a `statfs` type is one of the known network or cluster file systems, where flock, fsync
/// and rename do not mean what the store needs. FUSE is not: it may be anything, mostly local.
bool is_network_type(std::uint32_t type) noexcept;

}  // namespace flatkv::fs

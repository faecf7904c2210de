#pragma once

#include <cstdint>

namespace flatkv::engine {

/// Files in level 0 from which RocksDB compacts it: with fewer there is nothing to wait for.
inline constexpr std::uint64_t kCompactionFrom = 8;

}  // namespace flatkv::engine

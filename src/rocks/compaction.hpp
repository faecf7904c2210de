// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace flatkv::rocks {

/// The number of level-0 files at which RocksDB compacts them: with fewer there is nothing to wait
/// for.
inline constexpr std::uint64_t kCompactionFrom = 8;

}  // namespace flatkv::rocks

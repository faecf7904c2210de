// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

namespace flatkv {

inline constexpr std::int64_t kLastVersion = std::numeric_limits<std::int64_t>::max();

/// `version` and so many blocks more; nothing above int64 max, the last version there can be. Every
/// sum of a version that is not known to stay below that goes through here.
constexpr std::optional<std::int64_t> version_plus(std::int64_t version,
                                                   std::int64_t blocks) noexcept {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(version, blocks, &sum)) return std::nullopt;
  return sum;
}

/// The version that a block on top of this one has; nothing on top of the last.
constexpr std::optional<std::int64_t> version_after(std::int64_t version) noexcept {
  return version_plus(version, 1);
}

}  // namespace flatkv

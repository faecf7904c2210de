// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "base/error.hpp"
#include "flatkv/lthash.hpp"

namespace flatkv::codec {

/// (version, LtHash) of one data database. The old form has no hash.
struct LocalMeta {
  std::int64_t version = 0;
  std::optional<LtHash> hash;
};

inline constexpr std::size_t kLocalMetaOldBytes = 8;
inline constexpr std::size_t kLocalMetaBytes = 8 + LtHash::kBytes;

Bytes encode(const LocalMeta& meta);
/// `corruption` for any length but 8 and 2056 bytes, and for a version above int64 max.
Result<LocalMeta> decode_local_meta(ByteView bytes);

/// A data database's count of its rows at a version.
struct StatsAt {
  std::int64_t version = 0;
  DatabaseStats stats;
  bool operator==(const StatsAt&) const = default;
};

inline constexpr std::size_t kStatsBytes = 32;

Bytes encode(const StatsAt& at);
/// `corruption` for any length but 32 bytes, and for a version above int64 max.
Result<StatsAt> decode_stats(ByteView bytes);

Bytes encode_version(std::int64_t version);
Result<std::int64_t> decode_version(ByteView bytes);

}  // namespace flatkv::codec

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "flatkv/bytes.hpp"
#include "flatkv/change_set.hpp"
#include "flatkv/keys.hpp"

namespace flatkv::codec {

inline constexpr std::size_t kMaxKeyBytes = 64U << 10;
inline constexpr std::size_t kMaxValueBytes = 64U << 20;
inline constexpr std::uint64_t kMaxBlockBytes = 1ULL << 30;
/// Of a block. An empty one is a few bytes of it, and some seventy in memory.
inline constexpr std::size_t kMaxChangeSets = std::size_t{1} << 20;

enum class Kind : std::uint8_t { nonce, code_hash, balance, code, storage, legacy };

struct Route {
  Kind kind;
  Database database;
  ByteView key;  ///< internal key: a part of the external one
};

/// Where a key belongs (docs/specification.md#routing); `invalid_argument` if it is empty or too
/// long, and no other key is refused.
Result<Route> route(ByteView external_key);

/// As `route`, and checks the value's length for its kind: nonce 8 bytes, code hash and balance 32,
/// others at most kMaxValueBytes. For deletes call `route` alone.
Result<Route> route_set(ByteView external_key, ByteView value);

/// `route` for a delete, `route_set` for a set.
inline Result<Route> route_pair(const KVPair& pair) {
  return pair.remove ? route(pair.key) : route_set(pair.key, pair.value);
}

}  // namespace flatkv::codec

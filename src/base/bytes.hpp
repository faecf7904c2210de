// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <optional>
#include <string_view>

#include "flatkv/bytes.hpp"

namespace flatkv {

inline bool equal(ByteView a, ByteView b) noexcept {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

/// Lexicographic order of unsigned bytes, a prefix before its extensions: RocksDB's order.
int compare_bytes(ByteView a, ByteView b) noexcept;

inline Bytes to_bytes(ByteView view) { return {view.begin(), view.end()}; }

inline void append(Bytes& to, ByteView more) { to.insert(to.end(), more.begin(), more.end()); }

bool all_zero(ByteView bytes) noexcept;

/// Hex in either case, with or without a leading 0x; nullopt if a digit is missing or invalid.
std::optional<Bytes> from_hex(std::string_view text);

}  // namespace flatkv

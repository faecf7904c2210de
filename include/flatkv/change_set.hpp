// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "flatkv/bytes.hpp"
#include "flatkv/export.hpp"

namespace FLATKV_API flatkv {

/// One write. Borrows its bytes, which must stay valid only for the call they are passed to. The
/// pair is a delete if and only if `remove` is set; then `value` is ignored. A set with an empty
/// value stores a present, empty row. Keys have 1 byte to 64 KiB, values up to 64 MiB.
struct KVPair {
  ByteView key;
  ByteView value;
  bool remove = false;
};

/// The writes of one module, in order. The store keeps only sets named "evm" and ignores others; an
/// empty name is invalid.
struct NamedChangeSet {
  std::string_view name;
  std::span<const KVPair> pairs;
};

/// The name of the change sets that the store keeps.
inline constexpr std::string_view kEvmModule = "evm";

}  // namespace flatkv

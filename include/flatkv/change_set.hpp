#pragma once

#include <span>
#include <string_view>

#include "flatkv/bytes.hpp"
#include "flatkv/export.hpp"

namespace FLATKV_API flatkv {

/// One write. Borrows its bytes: they must stay valid for the call they are passed to, no longer.
/// A pair is a delete if and only if `remove` is set, and then `value` is ignored. An empty value
/// of a set is a present, empty row.
struct KVPair {
  ByteView key;
  ByteView value;
  bool remove = false;
};

/// The writes of one module, in order. Only sets named "evm" are kept; an empty name is invalid.
struct NamedChangeSet {
  std::string_view name;
  std::span<const KVPair> pairs;
};

/// The name of the change sets that the store routes.
inline constexpr std::string_view kEvmModule = "evm";

}  // namespace flatkv

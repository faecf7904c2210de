// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "flatkv/bytes.hpp"
#include "flatkv/export.hpp"

namespace FLATKV_API flatkv {

/// What happens to an account row whose three fields are zero. It affects the root, so it is fixed
/// when the store is created.
enum class AccountRows : std::uint8_t {
  /// Any write of a field creates the row, which stays for ever (as the reference implementation
  /// does).
  keep,
  prune_empty,  ///< the row is removed (EIP-161)
};

/// A decoded account row. A code hash of zero means that there is none.
struct Account {
  Word balance{};  ///< big-endian
  std::uint64_t nonce = 0;
  Word code_hash{};

  bool operator==(const Account&) const = default;
};

}  // namespace flatkv

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "flatkv/bytes.hpp"
#include "flatkv/export.hpp"

namespace FLATKV_API flatkv {

/// A decoded account row. A code hash of zero means that there is none.
struct Account {
  Word balance{};  ///< big-endian
  std::uint64_t nonce = 0;
  Word code_hash{};

  bool operator==(const Account&) const = default;
};

}  // namespace flatkv

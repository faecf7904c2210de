// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "codec/keys.hpp"
#include "flatkv/account.hpp"
#include "flatkv/bytes.hpp"

namespace flatkv::codec {

inline constexpr std::size_t kAccountBytes = 40;
inline constexpr std::size_t kAccountWithCodeBytes = 72;

/// An encoded account row: a value of 40 or 72 bytes, without an allocation.
struct AccountValue {
  std::array<std::uint8_t, kAccountWithCodeBytes> bytes{};
  std::uint8_t size = 0;
  ByteView view() const noexcept { return {bytes.data(), size}; }
};

/// Sets the field that a key of that kind writes; without a value, as a delete does, to zero.
/// `value` has the length that `route_set` demands.
void write_field(Account& account, Kind kind, ByteView value) noexcept;

AccountValue encode_account(const Account& account) noexcept;

/// `corruption` for any length but 40 and 72, and for 72 bytes with an all-zero code hash, which is
/// never written.
Result<Account> decode_account(ByteView value);

/// Whether all three fields are zero.
bool is_empty(const Account& account) noexcept;

}  // namespace flatkv::codec

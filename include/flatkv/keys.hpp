// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "flatkv/bytes.hpp"
#include "flatkv/export.hpp"

namespace FLATKV_API flatkv {

/// External keys of the `evm` module: a prefix byte, a 20-byte address and, for storage, a 32-byte
/// slot. A key with another prefix or another length is a legacy key and kept whole. Values: nonce
/// 8 bytes, code hash and balance 32 bytes (integers big-endian), code and storage any bytes.
inline constexpr std::uint8_t kNoncePrefix = 0x0a;
inline constexpr std::uint8_t kCodeHashPrefix = 0x08;
inline constexpr std::uint8_t kBalancePrefix = 0x21;
inline constexpr std::uint8_t kCodePrefix = 0x07;
inline constexpr std::uint8_t kStoragePrefix = 0x03;

using AccountKey = std::array<std::uint8_t, 21>;
using StorageKey = std::array<std::uint8_t, 53>;

AccountKey nonce_key(const Address& address) noexcept;
AccountKey code_hash_key(const Address& address) noexcept;
AccountKey balance_key(const Address& address) noexcept;
AccountKey code_key(const Address& address) noexcept;
StorageKey storage_key(const Address& address, const Slot& slot) noexcept;

}  // namespace flatkv

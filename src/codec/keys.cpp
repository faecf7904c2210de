// SPDX-License-Identifier: Apache-2.0
#include "codec/keys.hpp"

#include <algorithm>
#include <string>

namespace flatkv::codec {
namespace {

constexpr std::size_t kAccountKeyBytes = std::tuple_size_v<AccountKey>;
constexpr std::size_t kStorageKeyBytes = std::tuple_size_v<StorageKey>;
constexpr std::size_t kNonceBytes = 8;
constexpr std::size_t kWordBytes = std::tuple_size_v<Word>;

AccountKey account_key(std::uint8_t prefix, const Address& address) noexcept {
  AccountKey key{};
  key[0] = prefix;
  std::ranges::copy(address, key.begin() + 1);
  return key;
}

Status check_length(std::string_view what, std::size_t size, std::size_t want) {
  if (size == want) return {};
  return fail(ErrorCode::invalid_argument, std::string(what) + " of " + std::to_string(size) +
                                               " bytes, want " + std::to_string(want));
}

}  // namespace

Result<Route> route(ByteView external_key) {
  if (external_key.empty()) return fail(ErrorCode::invalid_argument, "empty key");
  if (external_key.size() > kMaxKeyBytes) {
    return fail(ErrorCode::invalid_argument, "key of " + std::to_string(external_key.size()) +
                                                 " bytes, limit " + std::to_string(kMaxKeyBytes));
  }
  const ByteView inner = external_key.subspan(1);
  if (external_key.size() == kAccountKeyBytes) {
    switch (external_key[0]) {
      case kNoncePrefix:
        return Route{Kind::nonce, Database::account, inner};
      case kCodeHashPrefix:
        return Route{Kind::code_hash, Database::account, inner};
      case kBalancePrefix:
        return Route{Kind::balance, Database::account, inner};
      case kCodePrefix:
        return Route{Kind::code, Database::code, inner};
      default:
        break;
    }
  } else if (external_key.size() == kStorageKeyBytes && external_key[0] == kStoragePrefix) {
    return Route{Kind::storage, Database::storage, inner};
  }
  return Route{Kind::legacy, Database::legacy, external_key};
}

Result<Route> route_set(ByteView external_key, ByteView value) {
  FLATKV_ASSIGN(const Route found, route(external_key));
  switch (found.kind) {
    case Kind::nonce:
      FLATKV_TRY(check_length("nonce", value.size(), kNonceBytes));
      break;
    case Kind::code_hash:
      FLATKV_TRY(check_length("code hash", value.size(), kWordBytes));
      break;
    case Kind::balance:
      FLATKV_TRY(check_length("balance", value.size(), kWordBytes));
      break;
    case Kind::code:
    case Kind::storage:
    case Kind::legacy:
      if (value.size() > kMaxValueBytes) {
        return fail(ErrorCode::invalid_argument, "value of " + std::to_string(value.size()) +
                                                     " bytes, limit " +
                                                     std::to_string(kMaxValueBytes));
      }
      break;
  }
  return found;
}

}  // namespace flatkv::codec

namespace flatkv {

AccountKey nonce_key(const Address& address) noexcept {
  return codec::account_key(kNoncePrefix, address);
}
AccountKey code_hash_key(const Address& address) noexcept {
  return codec::account_key(kCodeHashPrefix, address);
}
AccountKey balance_key(const Address& address) noexcept {
  return codec::account_key(kBalancePrefix, address);
}
AccountKey code_key(const Address& address) noexcept {
  return codec::account_key(kCodePrefix, address);
}

StorageKey storage_key(const Address& address, const Slot& slot) noexcept {
  StorageKey key{};
  key[0] = kStoragePrefix;
  std::ranges::copy(address, key.begin() + 1);
  std::ranges::copy(slot, key.begin() + 1 + static_cast<std::ptrdiff_t>(address.size()));
  return key;
}

}  // namespace flatkv

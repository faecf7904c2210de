// SPDX-License-Identifier: Apache-2.0
#include "codec/account.hpp"

#include <algorithm>
#include <string>

#include "base/bytes.hpp"
#include "base/endian.hpp"

namespace flatkv::codec {
namespace {

constexpr std::size_t kNonceOffset = 32;
constexpr std::size_t kCodeHashOffset = 40;

}  // namespace

void write_field(Account& account, Kind kind, ByteView value) noexcept {
  const auto set = [value](auto& field) {
    field = {};
    std::ranges::copy(value, field.begin());
  };
  switch (kind) {
    case Kind::nonce:
      account.nonce = value.empty() ? 0 : load_be<std::uint64_t>(value.data());
      break;
    case Kind::code_hash:
      set(account.code_hash);
      break;
    default:
      set(account.balance);
      break;
  }
}

AccountValue encode_account(const Account& account) noexcept {
  AccountValue value;
  std::ranges::copy(account.balance, value.bytes.begin());
  store_be(value.bytes.data() + kNonceOffset, account.nonce);
  if (all_zero(account.code_hash)) {
    value.size = kAccountBytes;
  } else {
    std::ranges::copy(account.code_hash, value.bytes.begin() + kCodeHashOffset);
    value.size = kAccountWithCodeBytes;
  }
  return value;
}

Result<Account> decode_account(ByteView value) {
  if (value.size() != kAccountBytes && value.size() != kAccountWithCodeBytes) {
    return fail(ErrorCode::corruption,
                "account value of " + std::to_string(value.size()) + " bytes, want 40 or 72")
        .database(Database::account);
  }
  Account account;
  std::ranges::copy(value.first<kNonceOffset>(), account.balance.begin());
  account.nonce = load_be<std::uint64_t>(value.data() + kNonceOffset);
  if (value.size() == kAccountWithCodeBytes) {
    std::ranges::copy(value.subspan(kCodeHashOffset), account.code_hash.begin());
    if (all_zero(account.code_hash)) {
      return fail(ErrorCode::corruption, "account value of 72 bytes with a zero code hash")
          .database(Database::account);
    }
  }
  return account;
}

bool is_empty(const Account& account) noexcept {
  return account.nonce == 0 && all_zero(account.balance) && all_zero(account.code_hash);
}

}  // namespace flatkv::codec

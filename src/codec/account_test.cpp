// SPDX-License-Identifier: Apache-2.0
#include "codec/account.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"

namespace flatkv::codec {
namespace {

Account sample(bool with_code) {
  Account account;
  for (std::size_t i = 0; i < 32; ++i) account.balance[i] = static_cast<std::uint8_t>(i);
  account.nonce = 0x0102030405060708;
  if (with_code) account.code_hash[31] = 0x7f;
  return account;
}

TEST(AccountValue, BytesAreBalanceNonceCodeHash) {
  const AccountValue value = encode_account(sample(true));
  Bytes want;
  for (std::size_t i = 0; i < 32; ++i) want.push_back(static_cast<std::uint8_t>(i));
  for (std::uint8_t i = 1; i <= 8; ++i) want.push_back(i);
  want.resize(71);
  want.push_back(0x7f);
  EXPECT_EQ(to_bytes(value.view()), want);
  EXPECT_EQ(encode_account(sample(false)).view().size(), 40U);
  EXPECT_TRUE(equal(encode_account(sample(false)).view(), ByteView(want).first(40)));
}

TEST(AccountValue, RoundTrip) {
  for (const bool with_code : {false, true}) {
    const auto back = decode_account(encode_account(sample(with_code)).view());
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, sample(with_code));
  }
  EXPECT_EQ(*decode_account(encode_account({}).view()), Account{});
  EXPECT_EQ(encode_account({}).view().size(), 40U)
      << "an empty account is 40 zero bytes, not nothing";
}

TEST(AccountValue, EveryOtherLengthIsCorruption) {
  for (std::size_t size = 0; size <= 200; ++size) {
    const Bytes value(size, 1);
    const auto decoded = decode_account(value);
    ASSERT_EQ(decoded.has_value(), size == 40 || size == 72) << size;
    if (!decoded) {
      EXPECT_EQ(decoded.error().code, ErrorCode::corruption);
    }
  }
}

TEST(AccountValue, ZeroCodeHashIsNeverWritten) {
  Bytes value(72, 0);
  EXPECT_EQ(decode_account(value).error().code, ErrorCode::corruption);
  value[71] = 1;
  EXPECT_TRUE(decode_account(value));
}

TEST(AccountValue, EmptyMeansAllThreeFields) {
  EXPECT_TRUE(is_empty({}));
  Account account;
  account.nonce = 1;
  EXPECT_FALSE(is_empty(account));
  account = {};
  account.balance[31] = 1;
  EXPECT_FALSE(is_empty(account));
  account = {};
  account.code_hash[0] = 1;
  EXPECT_FALSE(is_empty(account));
}

}  // namespace
}  // namespace flatkv::codec

// SPDX-License-Identifier: Apache-2.0
#include "codec/strict.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "flatkv/keys.hpp"

namespace flatkv::codec {
namespace {

Bytes key_of(std::uint8_t prefix, std::size_t length) {
  Bytes key(length, 0x11);
  key[0] = prefix;
  return key;
}

Status check(std::string_view module, const std::vector<Bytes>& keys,
             const StrictExceptions& exceptions = {}, bool remove = false) {
  std::vector<KVPair> pairs;
  for (const Bytes& key : keys) pairs.push_back({key, {}, remove});
  const NamedChangeSet set{module, pairs};
  return check_strict({&set, 1}, exceptions, 7);
}

TEST(Strict, TakesEveryKeyOfTheEvm) {
  for (const std::uint8_t prefix : {kNoncePrefix, kCodeHashPrefix, kBalancePrefix, kCodePrefix}) {
    EXPECT_TRUE(check("evm", {key_of(prefix, 21)}));
  }
  EXPECT_TRUE(check("evm", {key_of(kStoragePrefix, 53)}));
  EXPECT_TRUE(check("evm", {key_of(kStoragePrefix, 53)}, {}, true));
}

TEST(Strict, AKeyOfAnotherLengthIsRefusedWhateverIsAllowed) {
  for (const std::uint8_t prefix :
       {kNoncePrefix, kCodeHashPrefix, kBalancePrefix, kCodePrefix, kStoragePrefix}) {
    const std::size_t right = prefix == kStoragePrefix ? 53 : 21;
    for (const std::size_t length : {std::size_t{1}, right - 1, right + 1}) {
      for (const bool remove : {false, true}) {
        const auto refused = check("evm", {key_of(prefix, length)}, {.legacy_keys = true}, remove);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
        EXPECT_NE(refused.error().message.find("a key of " + std::to_string(length) + " bytes"),
                  std::string::npos)
            << refused.error().message;
      }
    }
  }
}

TEST(Strict, LegacyKeysAndModulesOnlyWhereAllowed) {
  EXPECT_FALSE(check("evm", {key_of(0x09, 21)}));
  EXPECT_TRUE(check("evm", {key_of(0x09, 21)}, {.legacy_keys = true}));
  EXPECT_FALSE(check("EVM", {key_of(kNoncePrefix, 21)}));
  EXPECT_FALSE(check("bank", {}, {.modules = {"EVM"}}));
  EXPECT_TRUE(check("bank", {key_of(0x01, 3)}, {.modules = {"staking", "bank"}}));
}

TEST(Strict, ErrorsNameTheChangeSetThePairAndTheVersion) {
  const Bytes good = key_of(kNoncePrefix, 21);
  const Bytes bad = key_of(kStoragePrefix, 52);
  const std::vector<KVPair> first = {{good, {}, true}};
  const std::vector<KVPair> second = {{good, {}, true}, {good, {}, true}, {bad, {}, true}};
  const std::vector<NamedChangeSet> sets = {{"evm", first}, {"evm", second}};
  const auto refused = check_strict(sets, {}, 7);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "change set 2, pair 3: a key of 52 bytes begins with 0x03 as a storage key does, which "
            "has 53");
  EXPECT_EQ(refused.error().version, 7);
  const std::vector<NamedChangeSet> modules = {{"evm", first}, {"EVM", second}};
  EXPECT_EQ(check_strict(modules, {}, 7).error().message,
            "change set 2: the module \"EVM\", which strict mode does not allow");
}

}  // namespace
}  // namespace flatkv::codec

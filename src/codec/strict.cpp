// SPDX-License-Identifier: Apache-2.0
#include "codec/strict.hpp"

#include <algorithm>
#include <string>

#include "base/bytes.hpp"
#include "codec/keys.hpp"

namespace flatkv::codec {
namespace {

struct KeyForm {
  std::uint8_t prefix;
  const char* what;
  std::size_t bytes;
};

constexpr std::size_t kAccountKeyBytes = std::tuple_size_v<AccountKey>;
constexpr std::size_t kStorageKeyBytes = std::tuple_size_v<StorageKey>;
constexpr std::array<KeyForm, 5> kForms = {{
    {kNoncePrefix, "nonce", kAccountKeyBytes},
    {kCodeHashPrefix, "code hash", kAccountKeyBytes},
    {kBalancePrefix, "balance", kAccountKeyBytes},
    {kCodePrefix, "code", kAccountKeyBytes},
    {kStoragePrefix, "storage", kStorageKeyBytes},
}};

std::string hex_of(std::uint8_t byte) { return "0x" + to_hex({&byte, 1}); }

Status check_key(ByteView key, bool legacy_keys) {
  FLATKV_ASSIGN(const Route found, route(key));
  if (found.kind != Kind::legacy) return {};
  const auto form = std::ranges::find(kForms, key[0], &KeyForm::prefix);
  if (form != kForms.end()) {
    return fail(ErrorCode::invalid_argument,
                "a key of " + std::to_string(key.size()) + " bytes begins with " + hex_of(key[0]) +
                    " as a " + form->what + " key does, which has " + std::to_string(form->bytes));
  }
  if (legacy_keys) return {};
  return fail(ErrorCode::invalid_argument,
              "a legacy key (first byte " + hex_of(key[0]) + "), which strict mode does not allow");
}

Status check_module(const NamedChangeSet& set, const StrictExceptions& exceptions) {
  if (set.name.empty() || set.name == kEvmModule ||
      std::ranges::find(exceptions.modules, set.name) != exceptions.modules.end()) {
    return {};  // an empty name is wrong in any mode
  }
  return fail(ErrorCode::invalid_argument,
              "the module \"" + std::string(set.name) + "\", which strict mode does not allow");
}

}  // namespace

Error in_pair(Error error, const PairNumber& number) {
  error.message = "change set " + std::to_string(number.set + 1) + ", pair " +
                  std::to_string(number.pair + 1) + ": " + error.message;
  error.version = number.version;
  return error;
}

Status check_strict(std::span<const NamedChangeSet> change_sets, const StrictExceptions& exceptions,
                    std::int64_t version) {
  for (std::size_t i = 0; i < change_sets.size(); ++i) {
    const NamedChangeSet& set = change_sets[i];
    if (Status known = check_module(set, exceptions); !known) {
      Error error = std::move(known).error();
      error.message = "change set " + std::to_string(i + 1) + ": " + error.message;
      error.version = version;
      return std::unexpected(std::move(error));
    }
    if (set.name != kEvmModule) continue;
    for (std::size_t j = 0; j < set.pairs.size(); ++j) {
      if (Status right = check_key(set.pairs[j].key, exceptions.legacy_keys); !right) {
        return std::unexpected(in_pair(std::move(right).error(), {version, i, j}));
      }
    }
  }
  return {};
}

}  // namespace flatkv::codec

// SPDX-License-Identifier: Apache-2.0
#include "support/random_blocks.hpp"

#include "base/bytes.hpp"

namespace flatkv::test {
namespace {

Bytes random_bytes(Random& random, std::uint64_t count) {
  Bytes all(count);
  for (auto& byte : all) byte = static_cast<std::uint8_t>(random());
  return all;
}

Bytes legacy_key(Random& random, const Pools& pools) {
  static const std::vector<Bytes> kOdd = {
      text("local"),           text("stats"),       text("_meta/version"), text("_meta/hash"),
      text("_meta/hash/code"), bytes({0}),          bytes({0, 'l'}),       bytes({1}),
      bytes({0xff}),           bytes({0xff, 0xff}), bytes({0x0a}),         bytes({0x03, 1, 2}),
      Bytes(20, 0x0a),         Bytes(22, 0x08),     Bytes(52, 0x03),       Bytes(54, 0x03),
      Bytes(300, 0x77)};
  if (one_in(random, 4)) return kOdd[below(random, kOdd.size())];
  Bytes key = text("key-" + std::to_string(below(random, pools.legacy_keys)));
  if (one_in(random, 3)) key.push_back(0);
  return key;
}

/// An address with bytes that differ early and late, to exercise order and prefixes.
Address pool_address(Random& random, const Pools& pools) {
  const std::uint64_t n = below(random, pools.addresses);
  Address made = address(n / 3);
  made[0] = static_cast<std::uint8_t>(n * 37);
  return made;
}

Bytes random_value(Random& random, const Pools& pools) {
  switch (below(random, 20)) {
    case 0:
    case 1:
      return {};
    case 2:
      return Bytes(32);
    case 3:
      return random_bytes(random, 200 + below(random, 3000));
    default:
      return random_bytes(random, 1 + below(random, pools.value_bytes));
  }
}

Bytes field_value(Random& random, std::size_t size) {
  if (one_in(random, 4)) return Bytes(size);
  return random_bytes(random, size);
}

void add_pair(Random& random, const Pools& pools, Changes& to) {
  const Bytes key = random_key(random, pools);
  if (one_in(random, 4)) {
    to.remove(key);
    return;
  }
  const bool field = key.size() == 21 && (key[0] == 0x0a || key[0] == 0x08 || key[0] == 0x21);
  to.set(key, field ? field_value(random, key[0] == 0x0a ? 8 : 32) : random_value(random, pools));
}

}  // namespace

Bytes random_key(Random& random, const Pools& pools) {
  const Address owner = pool_address(random, pools);
  switch (below(random, 10)) {
    case 0:
      return to_bytes(nonce_key(owner));
    case 1:
      return to_bytes(balance_key(owner));
    case 2:
      return to_bytes(code_hash_key(owner));
    case 3:
      return to_bytes(code_key(owner));
    case 4:
    case 5:
      return legacy_key(random, pools);
    default:
      return to_bytes(storage_key(owner, slot(below(random, pools.slots))));
  }
}

Changes random_changes(Random& random, const Pools& pools, std::uint64_t pairs) {
  Changes changes;
  const std::uint64_t count = below(random, pairs + 1);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (one_in(random, 12)) {
      changes.module("bank").set(bytes({0x0a}), bytes({1})).set({}, bytes({2}));
      changes.module("evm");
    }
    add_pair(random, pools, changes);
  }
  return changes;
}

Changes invalid_changes(Random& random, const Pools& pools) {
  Changes changes = random_changes(random, pools, 6);
  changes.module("evm");
  switch (below(random, 7)) {
    case 0:
      changes.set({}, bytes({1}));
      break;
    case 1:
      changes.remove({});
      break;
    case 2:
      changes.set(nonce_key(pool_address(random, pools)), Bytes(below(random, 8)));
      break;
    case 3:
      changes.set(balance_key(pool_address(random, pools)), Bytes(33));
      break;
    case 4:
      changes.set(code_hash_key(pool_address(random, pools)), Bytes(31));
      break;
    case 5:
      changes.set(Bytes(65537, 0x55), bytes({1}));
      break;
    default:
      changes.module("").set(bytes({1}), bytes({1}));
      break;
  }
  changes.module("evm");
  add_pair(random, pools, changes);
  return changes;
}

std::vector<Changes> script_block(std::uint64_t seed, std::int64_t version, const Pools& pools,
                                  std::uint64_t pairs) {
  Random random(seed * 0x9e3779b97f4a7c15ULL + static_cast<std::uint64_t>(version));
  std::vector<Changes> applies;
  for (std::uint64_t n = below(random, 4); n > 0; --n) {
    applies.push_back(random_changes(random, pools, pairs));
  }
  return applies;
}

}  // namespace flatkv::test

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <random>
#include <string>

#include "flatkv/tools/digest.hpp"
#include "store/test_store.hpp"

namespace flatkv::compare {

using store::Block;
using store::must;
using store::open_new;
using store::TempDir;
using Random = std::mt19937_64;

/// External keys and values: the content of a state.
using External = std::map<std::string, std::string>;

/// A key of any kind: most slots belong to one contract, legacy keys are prefixes of others, and
/// some keys put rows of one address in two databases.
inline std::string random_external(Random& random) {
  const auto address = [&] {
    std::string bytes(20, static_cast<char>(random() % 6));
    bytes[7] = static_cast<char>(random());
    return bytes;
  };
  std::string key;
  switch (random() % 6) {
    case 0:
      return "\x0a" + address();
    case 1:
      return "\x07" + address();
    case 2:
      return std::string(1 + random() % 30, 'L');
    case 3:
      return "L" + std::string(random() % 30, '\0');
    case 4:
      key = "\x03" + address() + std::string(32, '\0');
      key.back() = static_cast<char>(random());
      return key;
    default:
      key = "\x03" + std::string(20, '\x77') + std::string(30, '\0');
      return key + static_cast<char>(random() % 8) + static_cast<char>(random());
  }
}

inline std::string random_value(Random& random, const std::string& key) {
  if (key[0] == '\x0a') return std::string(7, '\0') + static_cast<char>(random());
  return random() % 5 == 0 ? "" : std::to_string(random());
}

inline External random_state(Random& random, std::size_t count) {
  External state;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string key = random_external(random);
    state[key] = random_value(random, key);
  }
  return state;
}

/// Brings the store to the state, in blocks of random size and order, with detours.
inline void write_state(Random& random, CommitStore& store, const External& state) {
  std::vector<std::pair<std::string, std::string>> rows(state.begin(), state.end());
  std::ranges::shuffle(rows, random);
  for (std::size_t at = 0; at < rows.size();) {
    Block block;
    const std::size_t size = std::min<std::size_t>(rows.size() - at, 1 + random() % 300);
    for (std::size_t i = at; i < at + size; ++i) {
      const auto& [key, value] = rows[i];
      if (random() % 4 == 0) {
        block.set(to_bytes(as_bytes(key)), to_bytes(as_bytes(random_value(random, key))));
      }
      block.set(to_bytes(as_bytes(key)), to_bytes(as_bytes(value)));
    }
    must(block.commit(store));
    at += size;
    if (random() % 6 == 0) must(store.flush());
  }
}

inline StateDigest digest_of(const CommitStore& store, DigestOptions options = {}) {
  return must(digest_state(must(store.view()), options));
}

/// The digest with only the rows' part; the rest may differ.
inline Bytes rows_digest(StateDigest digest) {
  digest.version = 0;
  return digest.encode().value();
}

inline Options quiet_options() {
  Options options;
  options.snapshot.interval = 0;
  options.cache.block_cache_bytes = 1 << 20;
  options.cache.row_cache_bytes = 0;
  options.threads = 1;
  options.durability = Durability::process;
  return options;
}

}  // namespace flatkv::compare

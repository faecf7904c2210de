// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fstream>
#include <map>

#include "store/test_store.hpp"

namespace flatkv::test {

using store::Block;
using store::expect_verified;
using store::must;
using store::open_new;
using store::TempDir;
using store::tree_digest;

/// Commits blocks up to and including `last`; the content of block b follows from b and `salt`
/// alone. Returns the roots lines of the committed versions.
inline std::map<std::int64_t, Roots> commit_to(CommitStore& store, std::int64_t last,
                                               unsigned salt = 0) {
  std::map<std::int64_t, Roots> roots;
  while (store.version() < last) {
    const auto b = static_cast<unsigned>(store.version() + 1);
    Block block;
    for (unsigned i = 0; i < 5; ++i) block.slot(b % 7, (b + i) % 40, b * 10 + i + salt);
    if (b % 3 == 0) block.remove(Block::slot_key(b % 7, b % 40));
    const auto made = must(block.commit(store));
    roots[store.version()] = made;
  }
  return roots;
}

/// Options for small segments, and for snapshots only on request.
inline Options small_options() {
  Options options;
  options.snapshot.interval = 0;
  options.segment_bytes = 4096;
  options.flush.write_buffer_bytes = 1 << 20;
  options.cache.block_cache_bytes = 1 << 20;
  options.cache.row_cache_bytes = 0;
  options.threads = 1;
  options.durability = Durability::process;
  return options;
}

/// A closed store of so many blocks. Returns their roots lines.
inline std::map<std::int64_t, Roots> make_closed(const std::string& path, std::int64_t last) {
  CommitStore store = open_new(path, small_options());
  auto roots = commit_to(store, last);
  must(store.close());
  return roots;
}

/// Writes another byte into a file: not a given one, which may be there already, for digests are
/// others in every store.
inline void damage_at(const std::string& path, std::streamoff offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(offset);
  const char byte = static_cast<char>(file.get() ^ 0x55);
  file.seekp(offset);
  file.put(byte);
}

inline std::string live_generation(const std::string& store) {
  std::string found;
  for (const auto& entry : std::filesystem::directory_iterator(store)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("gen-") && !name.ends_with("-tmp")) found = std::max(found, name);
  }
  return store + "/" + found;
}

/// Paths of the log's segments, ascending.
inline std::vector<std::string> segments(const std::string& store) {
  std::vector<std::string> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(live_generation(store) + "/changelog")) {
    paths.push_back(entry.path().string());
  }
  std::ranges::sort(paths);
  return paths;
}

}  // namespace flatkv::test

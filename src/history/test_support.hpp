#pragma once

#include <fstream>
#include <map>
#include <sstream>

#include "base/bytes.hpp"
#include "blake3/blake3.hpp"
#include "store/test_store.hpp"

namespace flatkv::history {

using store::Block;
using store::expect_verified;
using store::must;
using store::open_new;
using store::TempDir;

/// Digest of all names and contents below a directory but LOCK, which is only for people.
inline std::string tree_digest(const std::string& directory) {
  namespace stdfs = std::filesystem;
  std::vector<std::string> lines;
  for (const auto& entry : stdfs::recursive_directory_iterator(directory)) {
    if (entry.path().filename() == "LOCK" && entry.path().parent_path() == directory) continue;
    std::string line = stdfs::relative(entry.path(), directory).string();
    if (entry.is_regular_file()) {
      std::ifstream file(entry.path(), std::ios::binary);
      std::stringstream content;
      content << file.rdbuf();
      line += " " + to_hex(blake3::hash(as_bytes(content.str())));
    }
    lines.push_back(line);
  }
  std::ranges::sort(lines);
  std::string all;
  for (const auto& line : lines) all += line + "\n";
  return all;
}

/// Commits blocks up to and including `last`; what block b writes follows from b alone. Returns the
/// roots lines of the versions from the first that was committed.
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

/// Options of a store that keeps small segments and snapshots only when asked.
inline Options small_options() {
  Options options;
  options.snapshot_interval = 0;
  options.segment_bytes = 4096;
  options.write_buffer = 1 << 20;
  options.block_cache = 1 << 20;
  options.row_cache = 0;
  options.threads = 1;
  options.durability = Durability::process;
  return options;
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

}  // namespace flatkv::history

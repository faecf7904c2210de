// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "blake3/blake3.hpp"
#include "flatkv/store.hpp"

namespace flatkv::store {

/// A temporary directory, removed at the end.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "flatkv-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// The writes of one block, with their bytes.
class Block {
 public:
  Block& set(Bytes key, Bytes value) {
    rows_.push_back({std::move(key), std::move(value), false});
    return *this;
  }
  Block& remove(Bytes key) {
    rows_.push_back({std::move(key), {}, true});
    return *this;
  }
  Block& slot(unsigned account, unsigned index, unsigned value) {
    return set(slot_key(account, index), word(value));
  }
  static Bytes slot_key(unsigned account, unsigned index) {
    return to_bytes(storage_key(address(account), slot_index(index)));
  }
  static Address address(unsigned number) {
    Address address{};
    address.fill(static_cast<std::uint8_t>(number));
    address[0] = static_cast<std::uint8_t>(number >> 8);
    return address;
  }
  static Slot slot_index(unsigned index) {
    Slot slot{};
    slot[30] = static_cast<std::uint8_t>(index >> 8);
    slot[31] = static_cast<std::uint8_t>(index);
    return slot;
  }
  static Bytes word(unsigned value) {
    Bytes word(32);
    word[30] = static_cast<std::uint8_t>(value >> 8);
    word[31] = static_cast<std::uint8_t>(value);
    return word;
  }

  Status apply(CommitStore& store) const {
    std::vector<KVPair> pairs;
    for (const Row& row : rows_) pairs.push_back({row.key, row.value, row.remove});
    const NamedChangeSet set{kEvmModule, pairs};
    return store.apply({&set, 1});
  }
  /// Applies and commits as the next version.
  Result<Roots> commit(CommitStore& store) const {
    if (Status applied = apply(store); !applied) return std::unexpected(applied.error());
    return store.commit(store.version() + 1);
  }

 private:
  struct Row {
    Bytes key;
    Bytes value;
    bool remove;
  };
  std::vector<Row> rows_;
};

/// The value; on an error, fails the test with its text.
template <class T>
T must(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << result.error().to_string();
    throw std::runtime_error(result.error().to_string());
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

/// Opens a store, and creates it if there is none.
inline CommitStore open_new(const std::string& path, Options options = {}) {
  options.create_if_missing = true;
  return must(CommitStore::open(path, options));
}

/// A digest of all names and contents below a directory except LOCK, which is only informative.
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

inline void expect_verified(const CommitStore& store) {
  const VerifyReport report = must(store.verify());
  EXPECT_TRUE(report.good());
  EXPECT_EQ(report.version, store.version());
}

}  // namespace flatkv::store

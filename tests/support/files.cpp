// SPDX-License-Identifier: Apache-2.0
#include "support/files.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include "support/plain_blake3.hpp"

namespace flatkv::test {

namespace {

/// These tests are about process death and damaged files and need no disk: in memory, thousands of
/// syncs cost nothing.
std::string base_directory() {
  for (const char* name : {"FLATKV_TEST_DIR", "TMPDIR"}) {
    if (const char* path = std::getenv(name)) return path;
  }
  std::error_code unknown;
  const stdfs::space_info memory = stdfs::space("/dev/shm", unknown);
  if (!unknown && memory.available > (1ULL << 30) && ::access("/dev/shm", W_OK) == 0) {
    return "/dev/shm";
  }
  return "/tmp";
}

}  // namespace

TempDir::TempDir() {
  path_ = base_directory() + "/flatkv-test-XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp " + path_);
}

TempDir::~TempDir() {
  if (std::getenv("FLATKV_KEEP") != nullptr) return;
  std::error_code ignored;
  stdfs::remove_all(path_, ignored);
}

std::string TempDir::path(const std::string& name) const {
  return name.empty() ? path_ : path_ + "/" + name;
}

Bytes read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path);
  const std::string all((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return {all.begin(), all.end()};
}

namespace {
void write(const std::string& path, ByteView content, std::ios::openmode mode) {
  std::ofstream out(path, std::ios::binary | mode);
  out.write(reinterpret_cast<const char*>(content.data()),
            static_cast<std::streamsize>(content.size()));
  if (!out.flush()) throw std::runtime_error("cannot write " + path);
}
}  // namespace

void write_file(const std::string& path, ByteView content) {
  write(path, content, std::ios::trunc);
}
void append_file(const std::string& path, ByteView content) { write(path, content, std::ios::app); }
void resize_file(const std::string& path, std::uint64_t bytes) { stdfs::resize_file(path, bytes); }

void flip_bit(const std::string& path, std::uint64_t bit) {
  Bytes content = read_file(path);
  content.at(bit / 8) = static_cast<std::uint8_t>(content[bit / 8] ^ (1U << (bit % 8)));
  write_file(path, content);
}

namespace {
/// RocksDB deletes files that it no longer needs on a thread of its own, from an idle store too:
/// one may go between its name and its turn.
constexpr int kTries = 5;
}  // namespace

void copy_tree(const std::string& from, const std::string& to) {
  for (int attempt = 1;; ++attempt) {
    stdfs::remove_all(to);
    std::error_code failed;
    stdfs::copy(from, to, stdfs::copy_options::recursive | stdfs::copy_options::copy_symlinks,
                failed);
    if (!failed) break;
    if (attempt == kTries) throw stdfs::filesystem_error("cannot copy", from, to, failed);
  }
  stdfs::remove(to + "/LOCK");  // a database has LOCK too; RocksDB creates it again
}

void remove_tree(const std::string& path) {
  std::error_code failed;
  for (int attempt = 1; attempt <= kTries; ++attempt) {
    stdfs::remove_all(path, failed);
    if (!failed) return;
  }
  throw stdfs::filesystem_error("cannot remove", path, failed);
}

std::map<std::string, std::string> tree_state(const std::string& path) {
  std::map<std::string, std::string> state;
  for (const auto& entry : stdfs::recursive_directory_iterator(path)) {
    const std::string name = stdfs::relative(entry.path(), path).string();
    if (name == "LOCK") continue;
    if (entry.is_symlink()) {
      state[name] = "link " + stdfs::read_symlink(entry.path()).string();
    } else if (entry.is_directory()) {
      state[name] = "directory";
    } else if (entry.is_regular_file()) {
      const Bytes content = read_file(entry.path().string());
      state[name] = std::to_string(content.size()) + " " + to_hex(plain_blake3(content));
    } else {
      state[name] = "other";
    }
  }
  return state;
}

std::string tree_difference(const std::map<std::string, std::string>& before,
                            const std::map<std::string, std::string>& after) {
  std::string all;
  for (const auto& [name, what] : before) {
    const auto found = after.find(name);
    if (found == after.end()) {
      all += "gone: " + name + "\n";
    } else if (found->second != what) {
      all += "changed: " + name + "\n";
    }
  }
  for (const auto& [name, what] : after) {
    if (!before.contains(name)) all += "new: " + name + "\n";
  }
  return all;
}

std::vector<std::string> names(const std::string& directory, std::string_view begin,
                               std::string_view end) {
  std::vector<std::string> all;
  if (!stdfs::is_directory(directory)) return all;
  for (const auto& entry : stdfs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(begin) && name.ends_with(end)) all.push_back(name);
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::string live_generation(const std::string& store) {
  if (stdfs::is_regular_file(store + "/CURRENT")) {
    const Bytes current = read_file(store + "/CURRENT");
    const std::string_view text = as_chars(current);
    const std::size_t at = text.find("gen-");
    if (at != std::string_view::npos) return store + "/" + std::string(text.substr(at, 12));
  }
  for (const std::string& name : names(store, "gen-")) {
    if (!name.ends_with("-tmp")) return store + "/" + name;
  }
  throw std::runtime_error("no generation in " + store);
}

std::string working(const std::string& store, std::string_view database) {
  return live_generation(store) + "/working/" + std::string(database);
}

std::vector<std::string> segments(const std::string& store) {
  const std::string directory = live_generation(store) + "/changelog";
  std::vector<std::string> all;
  for (const std::string& name : names(directory, "", ".log")) {
    all.push_back(directory + "/" + name);
  }
  return all;
}

std::vector<std::string> snapshots(const std::string& store) {
  const std::string generation = live_generation(store);
  std::vector<std::string> all;
  for (const std::string& name : names(generation, "snapshot-")) {
    if (!name.ends_with("-tmp")) all.push_back(generation + "/" + name);
  }
  return all;
}

void remove_clean(const std::string& store) { stdfs::remove(live_generation(store) + "/CLEAN"); }

std::uint64_t environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return otherwise;
  char* end = nullptr;
  const std::uint64_t number = std::strtoull(text, &end, 0);
  if (*end != '\0') {  // otherwise "ten" rounds would be none, and "1e4" one
    std::cerr << name << "=" << text << " is not a number\n";
    std::abort();
  }
  return number;
}

Part part_of_cases() {
  const char* text = std::getenv("FLATKV_PART");
  if (text == nullptr || *text == '\0') return {};
  Part part;
  char rest = 0;
  const int read = std::sscanf(text, "%" SCNu64 "/%" SCNu64 "%c", &part.index, &part.count, &rest);
  if (read != 2 || part.index == 0 || part.index > part.count) {
    std::cerr << "FLATKV_PART=" << text << " is not I/N\n";
    std::abort();
  }
  return part;
}

}  // namespace flatkv::test

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "flatkv/bytes.hpp"

// Plain reads and writes of files behind the store's back, as an operator or an accident does them.
namespace flatkv::test {

namespace stdfs = std::filesystem;

/// A new directory under $FLATKV_TEST_DIR, $TMPDIR, /dev/shm (if it has space enough) or /tmp,
/// removed with its content. Kept if FLATKV_KEEP is set.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string path(const std::string& name = "") const;

 private:
  std::string path_;
};

Bytes read_file(const std::string& path);
void write_file(const std::string& path, ByteView content);
void append_file(const std::string& path, ByteView content);
/// Truncates a file, or extends it with zeros.
void resize_file(const std::string& path, std::uint64_t bytes);
void flip_bit(const std::string& path, std::uint64_t bit);

/// Replaces `to` by a copy of the tree without LOCK. Files are copied, never linked.
void copy_tree(const std::string& from, const std::string& to);
void remove_tree(const std::string& path);

/// The content of a directory: relative path → type, size and content digest. Leaves out LOCK.
std::map<std::string, std::string> tree_state(const std::string& path);
/// The difference of two such states, for messages; empty if equal.
std::string tree_difference(const std::map<std::string, std::string>& before,
                            const std::map<std::string, std::string>& after);

/// Names in a directory with this beginning and end, sorted.
std::vector<std::string> names(const std::string& directory, std::string_view begin,
                               std::string_view end = "");

/// Where things lie in a closed store.
std::string live_generation(const std::string& store);  ///< path, by CURRENT or the only one
std::string working(const std::string& store, std::string_view database);
std::vector<std::string> segments(const std::string& store);   ///< paths, ascending
std::vector<std::string> snapshots(const std::string& store);  ///< paths, ascending
void remove_clean(const std::string& store);

/// A number from the environment, for the long forms of a test.
std::uint64_t environment(const char* name, std::uint64_t otherwise);

/// A long test in several runs: with FLATKV_PART=I/N (1 ≤ I ≤ N) this one has every Nth case.
struct Part {
  std::uint64_t index = 1;
  std::uint64_t count = 1;

  bool whole() const { return count == 1; }
  bool has(std::uint64_t one) const { return one % count == index - 1; }
};
/// Ends the process if the variable says anything else.
Part part_of_cases();

}  // namespace flatkv::test

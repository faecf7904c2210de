#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "flatkv/bytes.hpp"

// Files as an operator (or an accident) sees them: plain reads and writes behind the store's back.
namespace flatkv::test {

namespace stdfs = std::filesystem;

/// A directory of its own under $FLATKV_TEST_DIR, $TMPDIR, /dev/shm (with room enough) or /tmp,
/// removed with all in it. Kept when FLATKV_KEEP is set.
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
/// Cuts or, with zeros, extends a file.
void resize_file(const std::string& path, std::uint64_t bytes);
void flip_bit(const std::string& path, std::uint64_t bit);

/// A copy of the tree as it stands, without LOCK; `to` is replaced. Files are copied, never linked.
void copy_tree(const std::string& from, const std::string& to);
void remove_tree(const std::string& path);

/// What is in a directory: relative path → type, size and content digest. LOCK is left out.
std::map<std::string, std::string> tree_state(const std::string& path);
/// What differs between two of them, for messages; empty if nothing does.
std::string tree_difference(const std::map<std::string, std::string>& before,
                            const std::map<std::string, std::string>& after);

/// Names in a directory that begin and end like this, sorted.
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

}  // namespace flatkv::test

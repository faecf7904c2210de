// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "fs/files.hpp"
#include "fs/test_directory.hpp"
#include "layout/generation.hpp"
#include "layout/names.hpp"
#include "layout/sealed_json.hpp"
#include "layout/snapshot_manifest.hpp"

namespace flatkv::layout {

/// Run in memory: these tests check the order of thousands of syncs, not their effect on a disk.
inline const bool kInMemory = [] {
  return ::access("/dev/shm", W_OK) == 0 && ::setenv("TMPDIR", "/dev/shm", 0) == 0;
}();

inline Bytes slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void spill(const std::string& path, ByteView bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(as_chars(bytes).data(), static_cast<std::streamsize>(bytes.size()));
}
inline void spill(const std::string& path, std::string_view text) { spill(path, as_bytes(text)); }

inline void make_directories(const std::string& path) { std::filesystem::create_directories(path); }

template <class T>
testing::AssertionResult fails_with(const Result<T>& result, ErrorCode code,
                                    std::string_view part = "") {
  if (result) return testing::AssertionFailure() << "it succeeded";
  if (result.error().code != code || !result.error().to_string().contains(part)) {
    return testing::AssertionFailure() << result.error().to_string();
  }
  return testing::AssertionSuccess();
}

template <class T>
testing::AssertionResult succeeds(const Result<T>& result) {
  if (result) return testing::AssertionSuccess();
  return testing::AssertionFailure() << result.error().to_string();
}

inline Manifest sample_manifest() {
  Manifest manifest;
  for (std::size_t i = 0; i < manifest.store.size(); ++i) {
    manifest.store[i] = static_cast<std::uint8_t>(0xf0 - i);
  }
  manifest.account_rows = AccountRows::prune_empty;
  manifest.initial_version = 7;
  return manifest;
}

inline SnapshotManifest sample_snapshot(std::int64_t version) {
  SnapshotManifest snapshot;
  snapshot.manifest = sample_manifest();
  snapshot.state.version = version;
  for (const Database database : kDataDatabases) {
    const auto i = static_cast<std::size_t>(database);
    snapshot.state.stats[database] = {i, 20 * i, ~std::uint64_t{0} - i};
    for (std::size_t limb = 0; limb < LtHash::kLimbs; ++limb) {
      snapshot.state.hashes[database].limbs()[limb] = static_cast<std::uint16_t>(limb * 31 + i);
    }
  }
  snapshot.chain.fill(0x5a);
  return snapshot;
}

/// Five directories with a table and a few small files each.
inline void fill_databases(const std::string& copy) {
  for (const Database database : kAllDatabases) {
    const std::string path = database_path(copy, database);
    make_directories(path);
    spill(path + "/CURRENT", "MANIFEST-000004\n");
    spill(path + "/MANIFEST-000004", std::string(300, 'm') + std::string(to_string(database)));
    spill(path + "/000012.sst", std::string(1000, 't'));
  }
}

/// A valid snapshot in a generation.
inline void make_snapshot(const std::string& generation, std::int64_t version) {
  fill_databases(unfinished_snapshot_path(generation, version));
  ASSERT_TRUE(succeeds(publish_snapshot(fs::posix(), generation, sample_snapshot(version))));
}

/// The real file system. Records changes of names, and fails where a test wants it to.
class WatchedFiles final : public fs::FileSystem {
 public:
  struct Operation {
    std::string kind;
    std::string path;
  };
  std::vector<Operation> operations;
  std::function<Status(std::size_t index, const Operation&)> before;

  Result<std::unique_ptr<fs::AppendFile>> create(const std::string& path) override {
    FLATKV_TRY(note("create", path));
    return fs::posix().create(path);
  }
  Result<std::unique_ptr<fs::AppendFile>> open_append(const std::string& path) override {
    return fs::posix().open_append(path);
  }
  Result<std::unique_ptr<fs::ReadFile>> open_read(const std::string& path) override {
    return fs::posix().open_read(path);
  }
  Status make_directory(const std::string& path) override {
    FLATKV_TRY(note("mkdir", path));
    return fs::posix().make_directory(path);
  }
  Result<std::vector<fs::DirEntry>> list(const std::string& path) override {
    return fs::posix().list(path);
  }
  Result<fs::FileInfo> stat(const std::string& path) override { return fs::posix().stat(path); }
  Status rename(const std::string& from, const std::string& to) override {
    FLATKV_TRY(note("rename", to));
    if (no_directory_renames && std::filesystem::is_directory(from)) {
      return fail(ErrorCode::unsupported, "a directory of a layer below").path(from);
    }
    return fs::posix().rename(from, to);
  }
  Status link(const std::string& from, const std::string& to) override {
    FLATKV_TRY(note("link", to));
    if (no_links) return fail(ErrorCode::unsupported, "no links").path(from);
    return fs::posix().link(from, to);
  }
  Status unlink(const std::string& path) override {
    FLATKV_TRY(note("unlink", path));
    return fs::posix().unlink(path);
  }
  Status remove_directory(const std::string& path) override {
    FLATKV_TRY(note("rmdir", path));
    return fs::posix().remove_directory(path);
  }
  Status sync_directory(const std::string& path) override {
    FLATKV_TRY(note("sync", path));
    return fs::posix().sync_directory(path);
  }
  Result<std::unique_ptr<fs::DirLock>> lock_directory(const std::string& path) override {
    return fs::posix().lock_directory(path);
  }
  Result<bool> is_network(const std::string&) override { return network; }

  bool no_links = false;
  bool no_directory_renames = false;  ///< as on overlayfs
  bool network = false;

  /// Whether every rename is followed by a sync of its directory before the next rename
  /// (docs/hazards.md#rename-without-directory-sync).
  testing::AssertionResult renames_are_synced() const {
    std::size_t renames = 0;
    for (std::size_t i = 0; i < operations.size(); ++i) {
      if (operations[i].kind != "rename") continue;
      ++renames;
      if (!synced_after(i)) {
        return testing::AssertionFailure() << operations[i].path << " is not synced";
      }
    }
    if (renames == 0) return testing::AssertionFailure() << "nothing was renamed";
    return testing::AssertionSuccess();
  }

 private:
  bool synced_after(std::size_t rename) const {
    const std::string directory = fs::parent(operations[rename].path);
    for (std::size_t i = rename + 1; i < operations.size(); ++i) {
      if (operations[i].kind == "rename") return false;
      if (operations[i].kind == "sync" && operations[i].path == directory) return true;
    }
    return false;
  }

  Status note(const char* kind, const std::string& path) {
    operations.push_back({kind, path});
    return before ? before(operations.size(), operations.back()) : Status{};
  }
};

}  // namespace flatkv::layout

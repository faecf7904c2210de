// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "flatkv/tools/inspect.hpp"
#include "history/test_support.hpp"

namespace flatkv::test {

namespace stdfs = std::filesystem;

inline std::vector<std::string> clones(const std::string& directory) {
  std::vector<std::string> found;
  for (const auto& entry : stdfs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("readonly-")) found.push_back(name);
  }
  return found;
}

inline ReadOnlyOptions at(std::int64_t version) {
  ReadOnlyOptions options;
  options.at = version;
  options.block_cache_bytes = 1 << 20;
  options.threads = 1;
  return options;
}

inline void expect_at(const std::string& path, std::int64_t version, const Roots& roots) {
  const ReadOnlyStore store = must(ReadOnlyStore::open(path, at(version)));
  EXPECT_EQ(store.version(), version);
  EXPECT_EQ(store.roots(), roots) << version;
  EXPECT_EQ(store.view().version(), version);
  const VerifyReport report = must(store.verify());
  EXPECT_TRUE(report.good()) << version;
  EXPECT_EQ(report.roots, roots);
}

}  // namespace flatkv::test

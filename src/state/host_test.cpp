// SPDX-License-Identifier: Apache-2.0
#include "state/host.hpp"

#include <gtest/gtest.h>

namespace flatkv::state {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

TEST(Host, TheRowCacheIsAQuarterOfMemoryWhereThatIsLeft) {
  const Options options;
  EXPECT_EQ(automatic_row_cache(options, 65536 * kMiB), 4096 * kMiB);
  EXPECT_EQ(automatic_row_cache(options, 8192 * kMiB), 2048 * kMiB);
  EXPECT_EQ(automatic_row_cache(options, 2048 * kMiB), 512 * kMiB);
}

TEST(Host, TheRowCacheLeavesMemoryForTheOthers) {
  Options options;  // three write buffers of 128 MiB; filters and block cache of 256 MiB each
  EXPECT_EQ(automatic_row_cache(options, 1024 * kMiB), 32 * kMiB);
  EXPECT_EQ(automatic_row_cache(options, 128 * kMiB), 4 * kMiB);
  options.flush.write_buffer_bytes = 32 * kMiB;
  options.cache.key_filter_bytes = options.cache.block_cache_bytes = 64 * kMiB;
  EXPECT_EQ(automatic_row_cache(options, 1024 * kMiB), 256 * kMiB);
  options.flush.write_buffer_bytes = ~0ULL;
  EXPECT_EQ(automatic_row_cache(options, 1024 * kMiB), 32 * kMiB);
}

TEST(Host, WhatWasChosenIsSaid) {
  Options options;
  options.cache.row_cache_bytes = 5 * kMiB;
  options.threads = 3;
  EXPECT_EQ(chosen_text(options), "row cache 5242880 bytes, threads 3");
  options = {};
  EXPECT_NE(chosen_text(options).find("chosen"), std::string::npos);
}

}  // namespace
}  // namespace flatkv::state

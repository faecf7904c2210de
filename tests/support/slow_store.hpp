// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "fs/file_system.hpp"
#include "rocks/slow_tables.hpp"
#include "store/commit_store.hpp"
#include "support/checks.hpp"
#include "support/files.hpp"
#include "support/model.hpp"
#include "support/random_blocks.hpp"

namespace flatkv::test {

/// A store and its model, where reads of tables take their time: neither block cache nor filter
/// spares one.
class SlowStore : public ::testing::Test {
 protected:
  /// One read gives tens of rows here, and help has to be worth it for each of them.
  static constexpr std::chrono::microseconds kDevice{500};
  static constexpr std::uint64_t kSlots = 600;

  SlowStore() {
    options_ = small_options();
    options_.create_if_missing = true;
    options_.cache.block_cache_bytes = 0;
    options_.cache.key_filter_bytes = 0;
  }

  std::string path() const { return directory_.path("store"); }
  Result<CommitStore> try_open() {
    store_.reset();
    return store::open_commit_store({&fs::posix(), tables_.env()}, path(), options_);
  }
  void open() {
    auto opened = try_open();
    ASSERT_OK(opened);
    store_.emplace(std::move(*opened));
  }
  /// Puts all rows into tables, and nothing into memory.
  void reopen() {
    tables_.before_read({});
    ASSERT_OK(store_->close());
    open();
    tables_.before_read(rocks::SlowTables::like_a_device(kDevice));
  }
  /// A block of `value` in all slots, and more.
  std::vector<Changes> all_slots(std::uint64_t value) const {
    Changes changes;
    for (std::uint64_t i = 0; i < kSlots; ++i) {
      changes.storage(address(1), slot(i), word(value * kSlots + i));
    }
    changes.nonce(address(1), value);
    return {changes};
  }
  std::vector<Changes> random_block() const {
    return script_block(11, model_.version() + 1, {.addresses = 300, .slots = 300}, 500);
  }
  void block(const std::vector<Changes>& applies) {
    ASSERT_TRUE(commit_both(*store_, model_, applies));
  }
  void check() {
    tables_.before_read({});
    ASSERT_TRUE(store_is(*store_, model_.committed()));
  }

  TempDir directory_;
  rocks::SlowTables tables_;
  Options options_;
  Model model_;
  std::optional<CommitStore> store_;
};

}  // namespace flatkv::test

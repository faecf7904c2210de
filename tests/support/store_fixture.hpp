// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "flatkv/store.hpp"
#include "support/checks.hpp"
#include "support/files.hpp"
#include "support/model.hpp"
#include "support/random_blocks.hpp"
#include "support/tamper.hpp"

namespace flatkv::test {

/// A store and its model side by side.
class StoreFixture : public ::testing::Test {
 protected:
  std::string path() const { return directory_.path("store"); }
  std::string aside(const std::string& name) const { return directory_.path("aside-" + name); }

  /// Opens (or creates) the store; fails the test if that fails.
  void open();
  /// Drops the handle, then opens; for opens that may be refused.
  Result<CommitStore> try_open();
  void close();
  /// Closes the store cleanly and opens it again.
  void reopen() {
    close();
    open();
  }

  /// Commits one block of these applies on both.
  void block(const std::vector<Changes>& applies);
  /// Commits the next `count` blocks of the random script on both.
  void blocks(std::int64_t count);
  /// Committed state and full scan equal the model's, and the next block works.
  void check();
  void check_and_go_on();

  /// Copies an open, idle store: what a kill at this moment would leave.
  void image(const std::string& name) { copy_tree(path(), aside(name)); }
  /// Replaces the closed store by the image (or another copy).
  void restore(const std::string& name) { copy_tree(aside(name), path()); }

  /// Keeps a copy of a database of the closed store.
  void save_database(std::string_view database);
  /// Restores it and removes CLEAN: the database is now behind the others.
  void restore_database(std::string_view database);
  std::int64_t flushed(std::string_view database) const;
  /// All five databases of the closed store are at this version.
  ::testing::AssertionResult all_flushed_at(std::int64_t version) const;

  TempDir directory_;
  Options options_ = small_options();
  Model model_;
  std::uint64_t seed_ = 7;
  std::optional<CommitStore> store_;
};

}  // namespace flatkv::test

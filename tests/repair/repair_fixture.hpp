// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <set>

#include "flatkv/tools/repair.hpp"
#include "support/fault_counts.hpp"
#include "support/repair_one.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {

inline RepairOptions repair_options() {
  RepairOptions options;
  options.threads = 2;
  options.block_cache_bytes = 4 << 20;
  return options;
}

/// A closed store of 20 blocks with snapshots at 0, 10 and, if asked for, 20.
class RepairFixture : public StoreFixture {
 protected:
  void SetUp() override {
    options_.snapshot.keep = 9;
    options_.segment_bytes = 8 << 10;
  }

  void build(bool snapshot_at_the_tip = false) {
    open();
    blocks(10);
    ASSERT_OK(store_->snapshot());
    at_ten_ = model_.committed();
    blocks(10);
    if (snapshot_at_the_tip) {
      ASSERT_OK(store_->snapshot());
    }
    close();
  }

  /// A row of the newest state with a value that is not empty.
  std::pair<Bytes, Bytes> some_row(Database database) const {
    for (const auto& row : model_.committed().rows[database]) {
      if (!row.second.empty()) return row;
    }
    throw std::runtime_error("no row");
  }

  void change_row(Database database) {
    auto [key, value] = some_row(database);
    value.back() ^= 1;
    tamper(working(path(), to_string(database)), {{row_key(key), value}});
  }
  void drop_row(Database database) {
    tamper(working(path(), to_string(database)),
           {{row_key(some_row(database).first), std::nullopt}});
  }

  /// Paths of the database's tables in a copy, by inode.
  static std::map<std::uint64_t, std::string> tables(const std::string& copy, Database database) {
    std::map<std::uint64_t, std::string> found;
    const std::string directory = copy + "/" + std::string(to_string(database));
    for (const std::string& name : names(directory, "", ".sst")) {
      struct stat info{};
      EXPECT_EQ(::stat((directory + "/" + name).c_str(), &info), 0);
      found[info.st_ino] = directory + "/" + name;
    }
    return found;
  }
  std::map<std::uint64_t, std::string> live_tables(Database database) const {
    return tables(live_generation(path()) + "/working", database);
  }
  /// Inodes of the tables of all databases but one.
  std::set<std::uint64_t> inodes_but(Database database) const {
    std::set<std::uint64_t> all;
    for (const Database other : {Database::account, Database::code, Database::storage,
                                 Database::legacy, Database::metadata}) {
      if (other == database) continue;
      for (const auto& table : live_tables(other)) all.insert(table.first);
    }
    return all;
  }

  /// Leaves nothing but the databases to tell the roots of version 20: the log lost its end, an
  /// open began a new one there, and its snapshot and CLEAN are gone.
  void keep_only_the_databases_at_the_tip() {
    stdfs::remove(segments(path()).back());
    open();
    EXPECT_TRUE(store_->open_report().lost_log_tail);
    close();
    ASSERT_TRUE(snapshots(path()).back().ends_with("20"));
    remove_tree(snapshots(path()).back());
    remove_clean(path());
  }

  /// Repair fails with this code and these words, and changes nothing in the store.
  void expect_refused(Database database, ErrorCode code, const RepairOptions& options,
                      const std::vector<std::string>& words = {}) {
    const auto before = tree_state(path());
    const auto done = repair_one(path(), database, options);
    EXPECT_TRUE(fails(done, code));
    EXPECT_EQ(tree_difference(before, tree_state(path())), "");
    if (done) return;
    for (const std::string& word : words) {
      EXPECT_NE(done.error().to_string().find(word), std::string::npos)
          << "\"" << word << "\" is not in: " << done.error().to_string();
    }
  }

  /// Repaired from this source; the others were not copied; the store goes on with right roots.
  RepairReport expect_repaired(Database database, RepairSource source,
                               const RepairOptions& options = repair_options()) {
    const auto others = inodes_but(database);
    auto done = repair_one(path(), database, options);
    EXPECT_OK(done);
    if (!done) return {};
    EXPECT_TRUE(done->repaired());
    EXPECT_EQ(done->source, source);
    EXPECT_EQ(done->version, model_.version());
    for (const std::uint64_t inode : others) {
      EXPECT_TRUE(inodes_but(database).contains(inode)) << "another database was copied";
    }
    std::vector<std::int64_t> there;
    for (const std::string& snapshot : snapshots(path())) {
      there.push_back(std::stoll(snapshot.substr(snapshot.rfind('-') + 1)));
    }
    EXPECT_EQ(there, done->kept_snapshots);
    EXPECT_EQ(names(path(), "gen-").size(), 1U);
    open();
    if (store_) {
      EXPECT_FALSE(store_->open_report().rebuilt_working_copy);
      EXPECT_FALSE(store_->open_report().rebuilt_metadata);
      EXPECT_EQ(store_->open_report().replayed_blocks, 0);
      check_and_go_on();
    }
    close();
    return *done;
  }

  State at_ten_;
};

}  // namespace flatkv::test

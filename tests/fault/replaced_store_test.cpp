// SPDX-License-Identifier: Apache-2.0
// A store whose directory or files are moved away, deleted or replaced while a process works on it.
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/failpoint.hpp"
#include "flatkv/tools/rollback.hpp"
#include "support/fault_counts.hpp"
#include "support/repair_one.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

/// A call that must see that its store is no longer there.
struct Step {
  const char* name;
  Status (*run)(CommitStore&);
};
constexpr Step kCommit{"commit", [](CommitStore& store) -> Status {
                         FLATKV_TRY(store.commit(store.version() + 1));
                         return {};
                       }};
constexpr Step kFlush{"flush", [](CommitStore& store) { return store.flush(); }};
constexpr Step kSnapshot{"snapshot", [](CommitStore& store) { return store.snapshot(); }};
constexpr Step kUndo{"undo",
                     [](CommitStore& store) { return store.rollback(store.version() - 1); }};
constexpr Step kRollback{"rollback", [](CommitStore& store) { return store.rollback(1); }};
constexpr Step kClose{"close", [](CommitStore& store) { return store.close(); }};

class ReplacedStore : public StoreFixture {
 protected:
  void pass(const char* row, Came came) {
    if (!HasFailure()) count_fault(row, came);
  }

  /// What an operator does to the place of a store before a backup goes there. "emptied" leaves the
  /// directory, whose lock the running process has.
  void take_away(const std::string& way) {
    if (way == "moved") {
      remove_tree(path() + "-moved");
      stdfs::rename(path(), path() + "-moved");
    } else if (way == "removed") {
      remove_tree(path());
    } else {
      for (const auto& entry : stdfs::directory_iterator(path())) remove_tree(entry.path());
    }
  }
  /// As `restore`, but into the directory that is there.
  void restore_into(const std::string& name) {
    stdfs::create_directories(path());
    for (const auto& entry : stdfs::directory_iterator(aside(name))) {
      stdfs::copy(entry.path(), stdfs::path(path()) / entry.path().filename(),
                  stdfs::copy_options::recursive);
    }
  }
  std::string last_segment() const {
    std::string last;
    for (const auto& entry : stdfs::directory_iterator(path() + "/gen-00000001/changelog")) {
      last = std::max(last, entry.path().string());
    }
    return last;
  }
};

TEST_F(ReplacedStore, K6_NothingIsWrittenIntoWhatTookTheStoresPlace) {
  options_.scrub.mode = Scrub::by_hand;
  for (const auto& [name, step] : {kFlush, kSnapshot, kClose}) {
    for (const bool flushed : {false, true}) {
      SCOPED_TRACE(std::string(name) + (flushed ? ", nothing to flush" : ""));
      model_ = Model();
      remove_tree(path());
      open();
      blocks(4);
      ASSERT_OK(store_->scrub(1));
      if (flushed) {
        ASSERT_OK(store_->flush());
      }
      image("twin");
      stdfs::rename(path(), path() + "-moved");
      restore("twin");  // the same generation, the same names
      const auto before = tree_state(path());
      EXPECT_TRUE(fails(step(*store_), ErrorCode::store_failed));
      static_cast<void>(store_->scrub(1));
      store_.reset();
      EXPECT_EQ(tree_difference(before, tree_state(path())), "");
      remove_tree(path());
      stdfs::rename(path() + "-moved", path());
      open();
      check();
      store_.reset();
      pass("K6", Came::failed);
    }
  }
}

// As when an operator puts a backup where the store was, and the process that had the store ends
// after that: RocksDB deletes what it does not know when it closes.
TEST_F(ReplacedStore, K6_ABackupThatTookTheStoresPlaceStaysWhole) {
  options_.scrub.mode = Scrub::by_hand;
  for (const char* way : {"moved", "removed", "emptied"}) {
    SCOPED_TRACE(way);
    model_ = Model();
    remove_tree(path());
    open();
    for (int flushes = 0; flushes < 24; ++flushes) {
      blocks(1);
      ASSERT_OK(store_->flush());
      // Later the store compacts away tables that the backup has.
      if (flushes == 3) image("backup");
    }
    take_away(way);
    restore_into("backup");
    const auto before = tree_state(path());
    EXPECT_TRUE(fails(store_->snapshot(), ErrorCode::store_failed));
    store_.reset();
    EXPECT_EQ(tree_difference(before, tree_state(path())), "");
    auto backup = CommitStore::open(path(), options_);
    ASSERT_OK(backup);
    EXPECT_EQ(backup->version(), 4);
    const auto report = backup->verify();
    ASSERT_OK(report);
    EXPECT_TRUE(report->good());
    pass("K6", Came::failed);
  }
}

// Each step as the first one after the backup came, while the store knows of nothing.
TEST_F(ReplacedStore, K6_ABackupThatTookThePlaceOfTheStoresFilesStaysWhole) {
  options_.rollback_depth = 2;
  for (const auto& [name, step] : {kCommit, kFlush, kSnapshot, kUndo, kRollback, kClose}) {
    SCOPED_TRACE(name);
    model_ = Model();
    remove_tree(path());
    open();
    blocks(4);
    image("backup");
    blocks(3);
    take_away("emptied");
    restore_into("backup");
    const auto before = tree_state(path());
    EXPECT_TRUE(fails(step(*store_), ErrorCode::store_failed));
    EXPECT_TRUE(fails(store_->commit(store_->version() + 1), ErrorCode::store_failed));
    store_.reset();
    EXPECT_EQ(tree_difference(before, tree_state(path())), "");
    auto backup = CommitStore::open(path(), options_);
    ASSERT_OK(backup);
    EXPECT_EQ(backup->version(), 4);
    pass("K6", Came::failed);
  }
}

// As when an operator sees that the wrong store is being opened, and puts the right one there.
TEST_F(ReplacedStore, K6_AStoreThatCameWhileAnotherWasExaminedIsLeftAlone) {
  using Act = Status (*)(const std::string& store, const Options& options);
  struct Case {
    const char* name;
    const char* site;
    Act act;
  };
  const Case kCases[] = {
      {"open", "open.examined",
       [](const std::string& store, const Options& options) -> Status {
         FLATKV_TRY(CommitStore::open(store, options));
         return {};
       }},
      {"undo", "open.examined",
       [](const std::string& store, const Options&) { return rollback(store, 4); }},
      {"rollback", "rollback.begin",
       [](const std::string& store, const Options&) { return rollback(store, 2); }},
      {"repair", "repair.begin",
       [](const std::string& store, const Options&) -> Status {
         FLATKV_TRY(repair_one(store, Database::storage));
         return {};
       }},
  };
  open();
  blocks(3);
  ASSERT_OK(store_->flush());
  blocks(2);
  image("wrong");
  blocks(3);
  image("right");
  store_.reset();
  copy_tree(aside("wrong"), aside("damaged"));
  remove_tree(aside("damaged") + "/gen-00000001/working/storage");
  for (const auto& [name, site, act] : kCases) {
    SCOPED_TRACE(name);
    remove_tree(path());
    remove_tree(path() + "-moved");
    restore(std::string(name) == "repair" ? "damaged" : "wrong");
    failpoint::arm(site, [&]() -> Status {
      stdfs::rename(path(), path() + "-moved");
      restore("right");
      return {};
    });
    EXPECT_TRUE(fails(act(path(), options_), ErrorCode::store_failed));
    failpoint::disarm_all();
    EXPECT_EQ(tree_difference(tree_state(aside("right")), tree_state(path())), "");
    open();
    check();
    store_.reset();
    pass("K6", Came::failed);
  }
}

// A block in a file without a name would be gone with the process.
TEST_F(ReplacedStore, K10_NoBlockIsAcknowledgedIntoALogThatIsNotThere) {
  using Damage = void (*)(const std::string& segment);
  const std::pair<const char*, Damage> kDamages[] = {
      {"removed", [](const std::string& segment) { stdfs::remove(segment); }},
      {"directory moved",
       [](const std::string& segment) {
         const stdfs::path log = stdfs::path(segment).parent_path();
         stdfs::rename(log, log.string() + "-moved");
       }},
      {"replaced by a copy",
       [](const std::string& segment) {
         stdfs::copy_file(segment, segment + "-copy");
         stdfs::rename(segment + "-copy", segment);
       }},
      {"shorter",
       [](const std::string& segment) {
         stdfs::resize_file(segment, stdfs::file_size(segment) - 1);
       }},
      {"longer",
       [](const std::string& segment) {
         stdfs::resize_file(segment, stdfs::file_size(segment) + 1);
       }},
  };
  for (const auto& [name, damage] : kDamages) {
    SCOPED_TRACE(name);
    model_ = Model();
    remove_tree(path());
    open();
    blocks(4);
    damage(last_segment());
    for (int tries = 0; tries < 2; ++tries) {
      const auto refused = store_->commit(store_->version() + 1);
      EXPECT_TRUE(fails(refused, ErrorCode::store_failed));
      EXPECT_FALSE(refused) << "an acknowledged block";
    }
    // The store has not failed: what it acknowledged goes into the databases.
    EXPECT_OK(store_->close());
    store_.reset();
    open();
    check_and_go_on();
    store_.reset();
    pass("K10", Came::recovered);
  }
}

TEST_F(ReplacedStore, K10_ALogThatComesBackIsGoneOnWith) {
  open();
  blocks(4);
  const std::string segment = last_segment();
  stdfs::rename(segment, segment + "-away");
  EXPECT_TRUE(fails(store_->commit(5), ErrorCode::store_failed));
  stdfs::rename(segment + "-away", segment);
  check_and_go_on();
  store_.reset();
  open();
  check_and_go_on();
  pass("K10", Came::recovered);
}

// Whether anything was written meanwhile is not known.
TEST_F(ReplacedStore, K6_AStoreThatWasAwayForAMomentHasFailed) {
  options_.rollback_depth = 4;
  for (const auto& [name, step] : {kCommit, kFlush, kSnapshot, kUndo}) {
    SCOPED_TRACE(name);
    open();
    blocks(4);
    stdfs::rename(path(), path() + "-moved");
    EXPECT_TRUE(fails(step(*store_), ErrorCode::store_failed));
    stdfs::rename(path() + "-moved", path());
    EXPECT_TRUE(fails(store_->commit(store_->version() + 1), ErrorCode::store_failed));
    open();
    check();
    close();
    pass("K6", Came::failed);
  }
}

}  // namespace
}  // namespace flatkv::test

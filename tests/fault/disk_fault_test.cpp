// SPDX-License-Identifier: Apache-2.0
// Faults of the disk under a running store, simulated in memory (C11, S13, S15, S18): the call
// returns the error, nothing wrong is taken for right, and the store continues or fails as the
// matrix says.
#include <gtest/gtest.h>

#include <cerrno>

#include "fs/files.hpp"
#include "layout/snapshots.hpp"
#include "simdisk/simdisk.hpp"
#include "store/commit_store.hpp"
#include "support/checks.hpp"
#include "support/fault_counts.hpp"
#include "support/random_blocks.hpp"

namespace flatkv::test {
namespace {

using simdisk::CrashMode;
using simdisk::Operation;

constexpr std::uint64_t kSeed = 41;
constexpr const char* kStore = "/store";

class DiskFault : public ::testing::Test {
 protected:
  void open() {
    options_.create_if_missing = true;
    store_.reset();
    auto opened = store::open_commit_store({&disk_.files(), disk_.env()}, kStore, options_);
    ASSERT_OK(opened);
    store_.emplace(std::move(*opened));
  }
  void close() {
    ASSERT_OK(store_->close());
    store_.reset();
  }
  void blocks(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(commit_both(*store_, model_, script_block(kSeed, model_.version() + 1)));
    }
  }
  void check() { ASSERT_TRUE(store_is(*store_, model_.committed())); }

  std::vector<std::string> paths(std::string_view part) {
    std::vector<std::string> all;
    for (const auto& [path, content] : disk_.tree()) {
      if (path.find(part) != std::string::npos) all.push_back(path);
    }
    return all;
  }

  simdisk::SimDisk disk_;
  Options options_ = small_options();
  Model model_;
  std::optional<CommitStore> store_;
};

// The nth table read fails, for every n within one apply.
TEST_F(DiskFault, C11_ReadThatFailsIsNeverAnAbsentRow) {
  options_.cache.row_cache_bytes = 0;
  options_.cache.block_cache_bytes = 0;
  open();
  blocks(30);
  close();
  open();
  unsigned failed = 0;
  for (unsigned nth = 1;; ++nth) {
    const std::vector<Changes> next = script_block(kSeed, model_.version() + 1);
    const Changes first = Changes().nonce(address(1), nth);
    ASSERT_OK(store_->apply(first));
    const Roots before = store_->working_roots().value();
    const std::uint64_t injected = disk_.injected();
    disk_.inject({.operation = Operation::read, .suffix = ".sst", .nth = nth, .times = 1});
    std::optional<Error> error;
    for (const Changes& changes : next) {
      if (error) break;
      const Roots so_far = store_->working_roots().value();
      if (auto applied = store_->apply(changes); !applied) {
        error = applied.error();
        EXPECT_TRUE(same_roots(store_->working_roots().value(), so_far)) << "half an apply";
      }
    }
    disk_.clear_faults();
    if (!error) {  // there are fewer reads
      EXPECT_EQ(disk_.injected(), injected) << "a failed read was taken for an absent row";
      break;
    }
    ++failed;
    EXPECT_EQ(error->code, ErrorCode::io) << error->to_string();
    EXPECT_FALSE(error->path.empty());
    store_->discard();
    ASSERT_OK(store_->apply(first));
    ASSERT_TRUE(same_roots(store_->working_roots().value(), before));
    store_->discard();
    count_fault("C11", Came::refused);
  }
  EXPECT_GT(failed, 3U);
  store_->discard();
  blocks(2);  // the store has not failed
  check();
}

TEST_F(DiskFault, C11_ScanThatMeetsAReadErrorSaysSo) {
  options_.cache.row_cache_bytes = 0;
  options_.cache.block_cache_bytes = 0;
  open();
  blocks(20);
  close();
  open();
  disk_.inject({.operation = Operation::read, .suffix = ".sst", .nth = 1, .times = 0});
  unsigned failed = 0;
  for (const Database database : kDataDatabases) {
    const auto rows = all_rows(*store_, database);
    EXPECT_TRUE(!rows || *rows == model_.committed().rows[database]) << "rows were left out";
    failed += !rows;
  }
  EXPECT_GT(failed, 0U);
  const auto verdict = store_->verify();  // a database that cannot be read does not verify
  ASSERT_OK(verdict);
  EXPECT_FALSE(verdict->good());
  for (const DatabaseVerdict& own : verdict->databases) EXPECT_TRUE(own.good() || own.error);
  disk_.clear_faults();
  check();
  blocks(2);
  check();
  count_fault("C11", Came::refused, failed + 1);
}

// If hard links fail, the bytes are copied and synced.
TEST_F(DiskFault, S13_SnapshotWhereLinksAreNotPossible) {
  for (const int error : {EXDEV, EMLINK}) {
    SCOPED_TRACE(error);
    open();
    blocks(6);
    disk_.inject(
        {.operation = Operation::link, .contains = "/snapshot-", .error = error, .times = 0});
    const std::uint64_t before = disk_.injected();
    ASSERT_OK(store_->snapshot());
    EXPECT_GT(disk_.injected(), before) << "no link was tried";
    blocks(3);
    disk_.crash(CrashMode::drop_unsynced);
    // The copy stands on its own: it serves when the working copy is lost.
    const auto tables = paths("/working/storage/CURRENT");
    ASSERT_EQ(tables.size(), 1U);
    const std::string working = fs::parent(fs::parent(tables.front()));
    ASSERT_OK(fs::remove_tree(disk_.files(), working));
    disk_.inject({.operation = Operation::link, .contains = "-tmp/", .error = error, .times = 0});
    model_ = Model();
    open();
    ASSERT_FALSE(HasFatalFailure());
    EXPECT_TRUE(store_->open_report().rebuilt_working_copy);
    disk_.clear_faults();
    while (model_.version() < store_->version()) {
      for (const Changes& changes : script_block(kSeed, model_.version() + 1)) {
        model_.apply(changes);
      }
      model_.commit();
    }
    check();
    blocks(2);
    check();
    close();
    count_fault("S13", Came::recovered);
  }
}

// A failed removal during pruning is reported and retried; it costs no commit and no block.
TEST_F(DiskFault, S15_UnlinkThatFailsWhilePruning) {
  options_.snapshot.keep = 0;
  options_.segment_bytes = 4096;
  for (const char* part : {"/changelog/", "/snapshot-", "SNAPSHOT", ".sst"}) {
    SCOPED_TRACE(part);
    open();
    blocks(12);
    ASSERT_OK(store_->snapshot());
    blocks(12);
    disk_.inject({.operation = Operation::unlink, .contains = part, .times = 1});
    const std::uint64_t before = disk_.injected();
    const Status done = store_->snapshot();
    EXPECT_GT(disk_.injected(), before) << "nothing was pruned";
    disk_.clear_faults();
    EXPECT_TRUE(done || done.error().code == ErrorCode::io);
    blocks(3);
    check();
    disk_.crash(CrashMode::process);
    open();
    ASSERT_FALSE(HasFatalFailure());
    EXPECT_EQ(store_->version(), model_.version());
    check();
    ASSERT_OK(store_->snapshot());
    blocks(1);
    close();
    count_fault("S15", Came::recovered);
  }
}

// Power loss at every step of a snapshot that prunes an older one and the log below: renames and
// removals are lost in any combination, and one valid snapshot is left from which the log leads on.
TEST_F(DiskFault, S5_PowerLossWhileAnOlderSnapshotIsPruned) {
  options_.snapshot.keep = 0;
  options_.segment_bytes = 4096;
  open();
  blocks(8);
  ASSERT_OK(store_->snapshot());
  blocks(8);
  close();
  const Roots wanted = model_.committed().roots();
  unsigned rebuilt = 0;
  for (std::uint64_t nth = 1;; nth += 2) {
    const CrashMode mode = nth % 4 == 1 ? CrashMode::random : CrashMode::drop_unsynced;
    SCOPED_TRACE("operation " + std::to_string(nth));
    const auto disk = disk_.clone();
    {
      auto store = store::open_commit_store({&disk->files(), disk->env()}, kStore, options_);
      ASSERT_OK(store);
      disk->crash_at(nth, mode, nth);
      static_cast<void>(store->snapshot());
    }
    if (disk->crashes() == 0) break;
    std::string working;
    for (const auto& [path, content] : disk->tree()) {
      if (path.ends_with("/working/storage/CURRENT")) working = fs::parent(fs::parent(path));
    }
    ASSERT_FALSE(working.empty());
    ASSERT_OK(fs::remove_tree(disk->files(), working));
    const auto store = store::open_commit_store({&disk->files(), disk->env()}, kStore, options_);
    ASSERT_OK(store);
    EXPECT_TRUE(store->open_report().rebuilt_working_copy);
    ASSERT_EQ(store->version(), model_.version());
    ASSERT_TRUE(same_roots(store->committed_roots(), wanted));
    ASSERT_TRUE(store_is(*store, model_.committed()));
    ++rebuilt;
    count_fault("S5", Came::rebuilt);
  }
  EXPECT_GT(rebuilt, 20U);
}

TEST_F(DiskFault, S18_SnapshotWhereOneExistsIsANoOp) {
  open();
  blocks(5);
  ASSERT_OK(store_->snapshot());
  const std::uint64_t before = disk_.changes_made();
  ASSERT_OK(store_->snapshot());
  EXPECT_EQ(disk_.changes_made(),
            before + 1);  // its directory's sync, which may have failed before
  // A damaged snapshot is written anew.
  const auto manifests = paths("/SNAPSHOT");
  ASSERT_FALSE(manifests.empty());
  ASSERT_TRUE(disk_.overwrite(manifests.back(), bytes({1, 2, 3})));
  ASSERT_OK(store_->snapshot());
  const std::string generation = fs::parent(fs::parent(manifests.back()));
  EXPECT_OK(layout::find_snapshot(disk_.files(), generation, 5, true));
  check();
  blocks(2);
  check();
  count_fault("S18", Came::recovered, 2);
}

// V2: verify proves the committed state, whatever is pending; a failed store is refused.
TEST_F(DiskFault, V2_VerifyBesidePendingWritesAndAfterAFailure) {
  options_.durability = Durability::sync;
  open();
  blocks(8);
  ASSERT_OK(store_->apply(Changes().nonce(address(3), 9)));
  const auto proven = store_->verify();
  ASSERT_OK(proven);
  EXPECT_TRUE(proven->good());
  EXPECT_EQ(proven->version, 8);
  EXPECT_TRUE(store_->has_pending());
  count_fault("V2", Came::recovered);
  disk_.inject({.operation = Operation::sync, .suffix = ".log"});
  EXPECT_FALSE(store_->commit(9));
  EXPECT_TRUE(fails(store_->verify(), ErrorCode::store_failed));
  count_fault("V2", Came::failed);
}

}  // namespace
}  // namespace flatkv::test

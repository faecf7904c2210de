// SPDX-License-Identifier: Apache-2.0
// A running store that meets an error: what it reports, what it keeps, and what an open finds
// afterwards (fault matrix C3, C4, C7 to C9).
#include <gtest/gtest.h>

#ifdef FLATKV_FAILPOINTS

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/failpoint.hpp"
#include "support/fault_counts.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

Status injected() { return fail(ErrorCode::io, "injected failure"); }

class Failure : public StoreFixture {
 protected:
  void TearDown() override { failpoint::disarm_all(); }

  Result<Roots> next_commit() {
    for (const Changes& changes : script_block(seed_, model_.version() + 1)) {
      if (auto applied = store_->apply(changes); !applied) return std::unexpected(applied.error());
    }
    return store_->commit(model_.version() + 1);
  }

  /// The store has failed: writes say so, and committed state is still readable.
  void expect_failed() {
    EXPECT_TRUE(fails(store_->commit(store_->version() + 1), ErrorCode::store_failed));
    EXPECT_TRUE(fails(store_->apply(Changes().nonce(address(1), 1)), ErrorCode::store_failed));
    EXPECT_EQ(store_->version(), model_.version());
    EXPECT_TRUE(same_roots(store_->committed_roots(), model_.committed().roots()));
    Random random(1);
    const auto view = store_->view();
    ASSERT_OK(view);
    for (int i = 0; i < 100; ++i) {
      const Bytes key = random_key(random, {});
      const auto found = view->get(key);
      ASSERT_OK(found);
      ASSERT_EQ(*found, model_.committed().get(key));
    }
  }

  /// Reopens at the last acknowledged version or at the one being committed, and continues.
  void expect_one_of_two() {
    failpoint::disarm_all();
    EXPECT_FALSE(stdfs::exists(live_generation(path()) + "/CLEAN"));
    open();
    ASSERT_TRUE(store_);
    if (store_->version() != model_.version()) {
      for (const Changes& changes : script_block(seed_, model_.version() + 1)) {
        ASSERT_TRUE(model_.apply(changes));
      }
      model_.commit();
    }
    check_and_go_on();
    close();
  }
};

// docs/hazards.md#rows-before-the-log, docs/hazards.md#same-version-twice,
// docs/hazards.md#failed-sync-leaves-record
TEST_F(Failure, CommitThatFailsAtAnyStep) {
  options_.durability = Durability::sync;
  options_.segment_bytes = 1024;  // so that there are changes of segment
  const std::vector<const char*> sites = {
      "changelog.append.before", "changelog.append.after",      "commit.appended",
      "changelog.sync.before",   "changelog.sync.after",        "commit.durable",
      "changelog.rotate.before", "changelog.rotate.after_sync", "changelog.rotate.after_create"};
  for (const char* site : sites) {
    SCOPED_TRACE(site);
    open();
    blocks(3);
    failpoint::arm(site, injected);
    Result<Roots> committed = next_commit();
    for (int i = 0; committed && i < 10; ++i) {  // until a segment is full
      for (const Changes& changes : script_block(seed_, model_.version() + 1)) {
        ASSERT_TRUE(model_.apply(changes));
      }
      model_.commit();
      committed = next_commit();
    }
    ASSERT_FALSE(committed) << "never hit";
    model_.discard();
    // The version in memory has not advanced, and a retry is refused.
    EXPECT_EQ(store_->version(), model_.version());
    expect_failed();
    if (HasFatalFailure()) return;
    EXPECT_FALSE(store_->close());
    store_.reset();
    expect_one_of_two();
    if (HasFatalFailure()) return;
    const bool in_sync = std::string_view(site).find("sync") != std::string_view::npos;
    count_fault(in_sync ? "C4" : "C3", Came::failed);
  }
}

TEST_F(Failure, ASyncOfAGroupThatFailsFailsTheStore) {
  options_.durability = Durability::group;
  options_.group_blocks = 100;  // no commit waits
  std::atomic<std::int64_t> told = 0;
  options_.on_durable = [&](std::int64_t version) { told = version; };
  open();
  blocks(3);
  ASSERT_OK(store_->wait_durable(3));
  failpoint::arm("changelog.sync.before", injected, 1, 0);
  blocks(1);
  EXPECT_TRUE(fails(store_->wait_durable(4), ErrorCode::store_failed));
  EXPECT_EQ(store_->durable_version(), 3);
  EXPECT_EQ(told, 3);
  expect_failed();
  EXPECT_FALSE(store_->close());
  store_.reset();
  expect_one_of_two();
  count_fault("C4", Came::failed);
}

// docs/hazards.md#rows-before-the-log
TEST_F(Failure, NothingIsIngestedBeforeTheLogIsSynced) {
  open();
  blocks(4);
  ASSERT_OK(store_->flush());
  blocks(4);
  failpoint::arm("changelog.sync.before", injected, 1, 0);
  EXPECT_FALSE(store_->flush());
  expect_failed();
  EXPECT_FALSE(store_->close());
  store_.reset();
  failpoint::disarm_all();
  EXPECT_TRUE(all_flushed_at(4));
  open();
  check_and_go_on();
}

TEST_F(Failure, FlushThatFailsAtAnyStepKeepsWhatWasAcknowledged) {
  const std::vector<const char*> sites = {"flush.begin",          "flush.log_synced",
                                          "flush.table_written",  "engine.table.finished",
                                          "engine.ingest.before", "engine.ingest.after",
                                          "flush.ingested",       "flush.metadata_written"};
  for (const char* site : sites) {
    for (const unsigned nth : {1U, 3U}) {
      SCOPED_TRACE(std::string(site) + "@" + std::to_string(nth));
      open();
      blocks(5);
      failpoint::arm(site, injected, nth);
      const Status flushed = store_->flush();
      if (flushed) {  // one flush does not hit this site so often
        EXPECT_GT(nth, 1U) << "never hit, or its error is lost";
        failpoint::disarm_all();
        close();
        continue;
      }
      expect_failed();
      if (HasFatalFailure()) return;
      store_.reset();
      failpoint::disarm_all();
      open();
      check_and_go_on();
      if (HasFatalFailure()) return;
      close();
      count_fault("C9", Came::failed);
    }
  }
}

TEST_F(Failure, CloseThatCannotFlushLeavesNoCleanAndLosesNothing) {
  open();
  blocks(5);
  failpoint::arm("engine.ingest.before", injected, 2);
  EXPECT_FALSE(store_->close());
  store_.reset();
  failpoint::disarm_all();
  EXPECT_FALSE(stdfs::exists(live_generation(path()) + "/CLEAN"));
  open();
  EXPECT_FALSE(store_->open_report().clean);
  check_and_go_on();
}

// docs/hazards.md#half-a-commit
TEST_F(Failure, WaitingForAFlushComesBeforeTheRecord) {
  options_.flush.write_buffer_bytes = 4 << 10;
  std::mutex mutex;
  std::condition_variable changed;
  bool release = false;
  open();
  failpoint::arm(
      "flush.begin",
      [&]() -> Status {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return release; });
        return injected();
      },
      1, 0);
  // Commit until one waits: the active buffer is full and there are two frozen ones.
  std::atomic<std::int64_t> acknowledged = 0;
  std::atomic<bool> done = false;
  Result<Roots> last = Roots{};
  std::thread writer([&] {
    while (last) {
      Changes changes;
      changes.storage(address(1), slot(1), Bytes(8 << 10, 1));
      if (!store_->apply(changes)) break;
      last = store_->commit(store_->version() + 1);
      if (last) acknowledged = store_->version();
    }
    done = true;
  });
  const auto log_bytes = [&] {
    std::uint64_t all = 0;
    for (const std::string& segment : segments(path())) all += stdfs::file_size(segment);
    return all;
  };
  // Long enough that a writer that only lost its processor would have gone on.
  std::int64_t seen = -1;
  for (int same = 0; !done && (seen < 1 || same < 20); same = seen == acknowledged ? same + 1 : 0) {
    seen = acknowledged;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  EXPECT_FALSE(done) << "no commit ever waited";
  const std::uint64_t waiting = log_bytes();
  {
    const std::lock_guard lock(mutex);
    release = true;
  }
  changed.notify_all();
  writer.join();
  EXPECT_TRUE(fails(last, ErrorCode::store_failed));
  EXPECT_EQ(log_bytes(), waiting) << "half a commit: its record was written";
  EXPECT_EQ(store_->version(), acknowledged);
  store_.reset();
  failpoint::disarm_all();
  auto opened = try_open();
  ASSERT_OK(opened);
  EXPECT_EQ(opened->version(), acknowledged);
}

// docs/hazards.md#replay-moves-backwards
TEST_F(Failure, ReplayThatIsInterruptedMovesNothingBackwards) {
  open();
  const std::array<const char*, 5> order = {"metadata", "code", "storage", "account", "legacy"};
  for (const char* name : order) {
    blocks(6);
    close();
    save_database(name);
    open();
  }
  blocks(6);
  close();
  for (const char* name : order) restore_database(name);
  options_.flush.write_buffer_bytes = 4 << 10;  // flushes during replay
  options_.flush.max_lag_blocks = 2;
  std::array<std::int64_t, 5> before{};
  unsigned interrupted = 0;
  for (unsigned nth = 1; nth < 40; nth += 3) {
    for (std::size_t i = 0; i < 5; ++i) before[i] = flushed(kNames[i]);
    failpoint::arm("open.block_replayed", injected, nth);
    auto opened = try_open();
    failpoint::disarm_all();
    const bool done = opened.has_value();
    interrupted += done ? 0U : 1U;
    if (done) {
      EXPECT_OK(opened->close());
      opened = fail(ErrorCode::io, "dropped");
    }
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_GE(flushed(kNames[i]), before[i]) << kNames[i] << " after " << nth;
    }
    if (done) break;
    if (!HasFailure()) count_fault("R1", Came::recovered);
  }
  EXPECT_GT(interrupted, 2U) << "hardly a replay was interrupted";
  open();
  check_and_go_on();
}

TEST_F(Failure, FailedSnapshotFailsNoCommit) {
  const std::vector<const char*> sites = {"snapshot.begun",
                                          "snapshot.checkpointed",
                                          "engine.checkpoint.file",
                                          "engine.checkpoint.synced",
                                          "layout.snapshot.before_manifest",
                                          "layout.snapshot.before_sync",
                                          "layout.snapshot.before_rename"};
  open();
  for (const char* site : sites) {
    SCOPED_TRACE(site);
    blocks(2);
    failpoint::arm(site, injected);
    EXPECT_FALSE(store_->snapshot());
    failpoint::disarm_all();
    blocks(2);
    check();
    EXPECT_OK(store_->snapshot());
    if (HasFatalFailure()) return;
    const bool no_manifest = std::string_view(site).ends_with("before_manifest");
    count_fault(no_manifest ? "S3" : "S2", Came::recovered);
  }
  reopen();
  check_and_go_on();
}

TEST_F(Failure, AWaitWhoseSyncFailsFailsTheStore) {
  options_.durability = Durability::process;
  open();
  blocks(2);
  EXPECT_LT(store_->durable_version(), 2);
  failpoint::arm("changelog.sync.before", injected);
  const Status waited = store_->wait_durable(2);
  failpoint::disarm_all();
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code, ErrorCode::io);
  EXPECT_TRUE(fails(store_->wait_durable(2), ErrorCode::store_failed));
  EXPECT_TRUE(fails(store_->commit(3), ErrorCode::store_failed));
  open();
  check_and_go_on();
}

TEST_F(Failure, ALevel0LimitBelowWhereCompactionsBeginHoldsNothingUp) {
  options_.flush.level0_limit = 0;
  options_.flush.write_buffer_bytes = 65'536;
  open();
  for (int i = 0; i < 30; ++i) {
    Changes changes;
    for (std::uint64_t row = 0; row < 700; ++row) {
      changes.storage(address(1), slot(row), Bytes(32, static_cast<std::uint8_t>(i + 1)));
    }
    block({changes});
  }
  EXPECT_GT(store_->metrics().flushes, 10U);
  check_and_go_on();
}

// What was built takes space, on a disk that may be full. Creations, and working copies made again.
TEST_F(Failure, AnOpenThatFailsLeavesNothingThatItBuilt) {
  const auto generations = [&] {
    std::vector<std::string> names;
    for (const auto& entry : stdfs::directory_iterator(path())) {
      const std::string name = entry.path().filename();
      if (name.starts_with("gen-") || name.ends_with("-tmp")) names.push_back(name);
    }
    return names;
  };
  const auto fail_at = [&](const std::vector<const char*>& sites,
                           const std::vector<std::string>& left) {
    for (const char* site : sites) {
      SCOPED_TRACE(site);
      failpoint::arm(site, [] { return Status(fail(ErrorCode::no_space, "full")); });
      EXPECT_TRUE(fails(try_open(), ErrorCode::no_space));
      failpoint::disarm_all();
      EXPECT_EQ(generations(), left);
    }
  };
  options_.create_if_missing = true;
  fail_at(
      {"generation.begun", "generation.manifest_written", "generation.log_created",
       "generation.database_created", "generation.database_filled", "generation.snapshot_added",
       "generation.before_publish", "fs.replace_file.after_sync", "layout.publish.before_rename"},
      {});
  open();
  blocks(5);
  close();
  remove_tree(live_generation(path()) + "/working/storage");
  remove_clean(path());
  fail_at({"generation.manifest_written", "generation.database_carried", "generation.log_carried",
           "generation.snapshot_carried", "generation.before_publish", "fs.replace_file.after_sync",
           "layout.publish.before_rename"},
          {"gen-00000001"});
  open();
  check_and_go_on();
}

// It has none: the next generation's tables are compacted when it is live.
TEST_F(Failure, TheReplayOfARollbackWaitsForNoCompaction) {
  options_.flush.write_buffer_bytes = 1;
  open();
  std::vector<State> states;
  for (int i = 0; i < 20; ++i) {
    blocks(1);
    states.push_back(model_.committed());
  }
  options_.flush.level0_limit = 0;
  options_.flush.pending_compaction_limit_bytes = 0;
  reopen();
  ASSERT_OK(store_->rollback(19));
  model_.go_back(states[18]);
  check_and_go_on();
}

}  // namespace
}  // namespace flatkv::test

#endif

// SPDX-License-Identifier: Apache-2.0
// What a call that cannot be done leaves: a store that goes on, or one that has failed.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/failpoint.hpp"
#include "flatkv/metrics.hpp"
#include "flatkv/tools/inspect.hpp"
#include "store/commit_store.hpp"
#include "store/test_store.hpp"
#include "store/test_support.hpp"

namespace flatkv::store {
namespace {

Options options(std::uint32_t rollback_depth = 0) {
  Options options;
  options.durability = Durability::process;
  options.snapshot.interval = 0;
  options.rollback_depth = rollback_depth;
  return options;
}

template <class T>
Status status(const Result<T>& result) {
  return result ? Status{} : Status(std::unexpected(result.error()));
}

void blocks(CommitStore& store, unsigned count) {
  for (unsigned i = 0; i < count; ++i) must(Block().slot(1, i, i + 1).commit(store));
}

double metric(const CommitStore& store, std::string_view name) {
  for (const MetricFamily& family : must(store_metrics(store))) {
    if (family.name == name) return family.samples.front().value;
  }
  return -1;
}

/// The store has failed, says so, and opens at that version.
void expect_failed(CommitStore& store, const std::string& path, std::int64_t version) {
  EXPECT_EQ(metric(store, "flatkv_store_failed"), 1);
  EXPECT_EQ(store.version(), version);
  EXPECT_EQ(must(store.view()).version(), version) << "reads go on";
  const std::pair<const char*, Status> refused[] = {
      {"apply", Block().slot(1, 1, 1).apply(store)},
      {"flush", store.flush()},
      {"snapshot", store.snapshot()},
      {"wait_durable", store.wait_durable(version)},
      {"rollback", store.rollback(version - 1)},
      {"commit", status(store.commit(version + 1))},
      {"verify", status(store.verify())},
  };
  for (const auto& [name, call] : refused) {
    ASSERT_FALSE(call) << name;
    EXPECT_EQ(call.error().code, ErrorCode::store_failed) << name;
  }
  EXPECT_FALSE(store.close());
  {
    const CommitStore gone = std::move(store);
  }
  const CommitStore again = must(CommitStore::open(path, options()));
  EXPECT_FALSE(again.open_report().clean);
  EXPECT_EQ(again.version(), version);
  expect_verified(again);
}

// Another store may stand at its path: what is written there by path would be in that one.
TEST(FailingStore, OneThatWasMovedAwayWritesNothing) {
  using Call = std::function<Status(CommitStore&)>;
  const std::pair<const char*, Call> calls[] = {
      {"commit", [](CommitStore& store) { return status(store.commit(4)); }},
      {"flush", [](CommitStore& store) { return store.flush(); }},
      {"snapshot", [](CommitStore& store) { return store.snapshot(); }},
      {"undo", [](CommitStore& store) { return store.rollback(2); }},
  };
  for (const auto& [name, call] : calls) {
    SCOPED_TRACE(name);
    const TempDir dir;
    CommitStore store = open_new(dir / "s", options(10));
    blocks(store, 3);
    EXPECT_EQ(metric(store, "flatkv_store_failed"), 0);
    std::filesystem::rename(dir / "s", dir / "away");
    std::filesystem::create_directory(dir / "s");
    const Status refused = call(store);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::store_failed);
    EXPECT_EQ(refused.error().path, dir / "s");
    EXPECT_EQ(refused.error().message, "the store was moved away or replaced while it was open");
    EXPECT_TRUE(std::filesystem::is_empty(dir / "s"));
    std::filesystem::remove(dir / "s");
    std::filesystem::rename(dir / "away", dir / "s");
    expect_failed(store, dir / "s", 3);
  }
}

TEST(FailingStore, ARollbackOfOneThatWasMovedAwayBuildsNothingAndItGoesOn) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s", options());
  blocks(store, 3);
  std::filesystem::rename(dir / "s", dir / "away");
  std::filesystem::create_directory(dir / "s");
  const Status refused = store.rollback(2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::store_failed);
  EXPECT_TRUE(std::filesystem::is_empty(dir / "s"));
  std::filesystem::remove(dir / "s");
  std::filesystem::rename(dir / "away", dir / "s");
  blocks(store, 1);
  EXPECT_EQ(store.version(), 4);
  must(store.rollback(2));
  expect_verified(store);
}

// The place of a replayed block is looked up in the log.
TEST(FailingStore, AnUndoWhoseBlockTheLogHasLostUndoesNothing) {
  const TempDir dir;
  {
    CommitStore store = open_new(dir / "killed", options());
    blocks(store, 5);
    std::filesystem::copy(dir / "killed", dir / "s", std::filesystem::copy_options::recursive);
  }
  CommitStore store = open_new(dir / "s", options(10));
  ASSERT_EQ(store.open_report().replayed_blocks, 5);
  const std::string log = dir / "s/gen-00000001/changelog";
  const std::string segment = log + "/00000000000000000001.log";
  const auto expect_lost = [&] {
    const Status lost = store.rollback(3);
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code, ErrorCode::log_gap);
    EXPECT_EQ(lost.error().path, log);
    EXPECT_EQ(lost.error().version, 3);
    EXPECT_EQ(store.version(), 5);
  };
  std::filesystem::rename(segment, dir / "kept");
  expect_lost();
  // With the first two blocks alone.
  std::filesystem::copy(dir / "kept", segment);
  const auto size = std::filesystem::file_size(segment);
  std::filesystem::resize_file(segment, size / 2);
  expect_lost();
  std::filesystem::remove(segment);
  std::filesystem::rename(dir / "kept", segment);
  must(store.rollback(3));
  blocks(store, 2);
  EXPECT_EQ(store.version(), 5);
  expect_verified(store);
}

// Whichever file or directory it is that cannot be made, read or removed.
TEST(FailingStore, ASnapshotThatFailsSaysWhyAndIsTriedAgain) {
  std::atomic<int> left = -1;
  std::mutex mutex;
  std::string failed;
  WatchedFiles files;
  files.before = [&](std::string_view call, const std::string& path) -> Status {
    // Files of databases are of another test, and there are many.
    for (const Database database : kAllDatabases) {
      if (path.contains("/" + std::string(to_string(database)) + "/")) return {};
    }
    if (left.fetch_sub(1) != 0) return {};
    const std::lock_guard lock(mutex);
    failed = std::string(call) + " " + path;
    return fail(ErrorCode::no_space, "injected").path(path);
  };
  const TempDir dir;
  Options own = options();
  own.create_if_missing = true;
  own.snapshot.keep = 0;
  own.segment_bytes = 1;
  CommitStore store = must(open_commit_store({.files = &files}, dir / "s", own));
  std::int64_t version = 0;
  for (int calls = 0;; ++calls) {
    ASSERT_LT(calls, 1000);
    blocks(store, 1);
    must(store.flush());  // a failure of the flush would be one of the store
    ++version;
    failed.clear();
    left = calls;
    const Status done = store.snapshot();
    left = -1;
    if (failed.empty()) {
      must(Status(done));
      break;
    }
    SCOPED_TRACE(failed);
    if (metric(store, "flatkv_store_failed") == 1) {
      // It could not be told whether the store is still in its place.
      EXPECT_FALSE(done);
      EXPECT_FALSE(store.close());
      {
        const CommitStore gone = std::move(store);
      }
      store = must(open_commit_store({.files = &files}, dir / "s", own));
    } else {
      EXPECT_EQ(metric(store, "flatkv_snapshot_last_failed"), done ? 0 : 1);
    }
    EXPECT_EQ(store.version(), version);
    if (!done) {
      EXPECT_EQ(done.error().message, "injected");
      EXPECT_EQ(done.error().code, ErrorCode::no_space);
    }
    must(store.snapshot());
    EXPECT_EQ(metric(store, "flatkv_snapshot_last_version"), static_cast<double>(version));
  }
  EXPECT_GT(version, 10) << "the calls were not seen";
  expect_verified(store);
}

TEST(FailingStore, ACallbackThatThrowsWhileTheStoreClosesLeavesNoClean) {
  const TempDir dir;
  std::atomic<bool> closing = false;
  Options own = options(10);
  own.durability = Durability::group;
  own.group_blocks = 100;
  own.on_durable = [&](std::int64_t) {
    closing.wait(false);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // until the close waits for it
    throw std::runtime_error("callback");
  };
  CommitStore store = open_new(dir / "s", own);
  blocks(store, 1);
  closing = true;
  closing.notify_all();
  const Status closed = store.close();
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().code, ErrorCode::io);
  EXPECT_TRUE(closed.error().message.contains("callback")) << closed.error().message;
  EXPECT_FALSE(std::filesystem::exists(dir / "s/gen-00000001/CLEAN"));
  const CommitStore again = must(CommitStore::open(dir / "s", options(10)));
  EXPECT_EQ(again.version(), 1);
}

TEST(FailingStore, OnlyDataDatabasesHaveAHash) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s", options());
  blocks(store, 1);
  must(Block().slot(7, 7, 7).apply(store));
  LtHash sum;
  for (const Database database : kDataDatabases) sum += must(store.working_hash(database));
  EXPECT_EQ(sum.checksum(), must(store.root_hash()));
  for (const Database none : {Database::metadata, static_cast<Database>(9)}) {
    const auto refused = store.working_hash(none);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(refused.error().message, "only the four data databases have a hash");
  }
}

TEST(FailingStore, WithoutAScrubThereIsNone) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s", options());
  EXPECT_FALSE(must(store.scrub_status()));
  const auto refused = store.scrub(1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_EQ(refused.error().message, "the store was opened without a scrub");
}

TEST(FailingStore, ABlocksDigestIsThatOfItsRecordAndOtherModulesDoNotCount) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s", options());
  const Bytes key = Block::slot_key(1, 1);
  const std::vector<KVPair> pairs = {{key, key, true}};
  const std::vector<NamedChangeSet> sets = {{"bank", pairs}, {kEvmModule, pairs}, {"gov", pairs}};
  must(store.apply(sets));
  must(store.commit(1));
  const Digest logged = must(store.log_record(1))->payload_digest;
  EXPECT_EQ(must(block_digest(1, sets)), logged);
  EXPECT_NE(must(block_digest(2, sets)), logged);
  EXPECT_NE(must(block_digest(1, {})), logged);
  EXPECT_EQ(must(block_digest(1, {})), must(block_digest(1, std::span(sets).first(1))));
}

TEST(FailingStore, OptionsAreCheckedBeforeThePath) {
  const TempDir dir;
  Options wrong = options();
  wrong.reads.in_flight = 0;
  wrong.create_if_missing = true;
  const auto refused = CommitStore::open(dir / "s", wrong);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_FALSE(std::filesystem::exists(dir / "s"));
}

#ifdef FLATKV_FAILPOINTS

class FailingStoreFaults : public testing::Test {
 protected:
  void TearDown() override { failpoint::disarm_all(); }
  static void fail_at(const char* site) {
    failpoint::arm(site, [] { return Status(fail(ErrorCode::io, "injected")); });
  }
};

// What the log holds is known only to an open.
TEST_F(FailingStoreFaults, ASyncThatFailsFailsTheStore) {
  using Call = std::function<Status(CommitStore&)>;
  const std::pair<const char*, Call> calls[] = {
      {"undo", [](CommitStore& store) { return store.rollback(2); }},
      {"flush", [](CommitStore& store) { return store.flush(); }},
      {"wait_durable", [](CommitStore& store) { return store.wait_durable(3); }},
  };
  for (const auto& [name, call] : calls) {
    SCOPED_TRACE(name);
    const TempDir dir;
    CommitStore store = open_new(dir / "s", options(10));
    blocks(store, 3);
    fail_at("changelog.sync.before");
    const Status failed = call(store);
    failpoint::disarm_all();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, ErrorCode::io);
    expect_failed(store, dir / "s", 3);
  }
}

// CLEAN would say that the log is whole, of which nothing is known to be durable.
TEST_F(FailingStoreFaults, ACloseWhoseSyncFailsLeavesNoClean) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s", options(10));
  blocks(store, 3);
  fail_at("changelog.sync.before");
  const Status closed = store.close();
  failpoint::disarm_all();
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().code, ErrorCode::io);
  EXPECT_FALSE(std::filesystem::exists(dir / "s/gen-00000001/CLEAN"));
  const CommitStore again = must(CommitStore::open(dir / "s", options(10)));
  EXPECT_FALSE(again.open_report().clean);
  EXPECT_EQ(again.version(), 3);
}

class FailingFlush : public FailingStoreFaults, public testing::WithParamInterface<const char*> {};

// tests/store has the first and the third.
TEST_P(FailingFlush, InAnyDatabaseFailsTheStore) {
  for (const unsigned nth : {2U, 4U, 5U}) {
    SCOPED_TRACE(nth);
    const TempDir dir;
    CommitStore store = open_new(dir / "s", options());
    blocks(store, 2);
    failpoint::arm(GetParam(), [] { return Status(fail(ErrorCode::io, "injected")); }, nth);
    const Status flushed = store.flush();
    failpoint::disarm_all();
    ASSERT_FALSE(flushed);
    EXPECT_EQ(flushed.error().code, ErrorCode::io);
    expect_failed(store, dir / "s", 2);
  }
}

INSTANTIATE_TEST_SUITE_P(Sites, FailingFlush,
                         testing::Values("engine.table.finished", "engine.ingest.before",
                                         "engine.ingest.after"));

// The generation that was live is not, and the next one is not open.
TEST_F(FailingStoreFaults, ARollbackThatFailsAfterItsGenerationIsLiveFailsTheStore) {
  for (const bool published : {false, true}) {
    const TempDir dir;
    CommitStore store = open_new(dir / "s", options());
    blocks(store, 5);
    must(Block().slot(8, 8, 8).apply(store));
    failpoint::arm("rollback.published", [&]() -> Status {
      if (!published) return fail(ErrorCode::io, "injected");
      fail_at("open.database_opened");
      return {};
    });
    const Status failed = store.rollback(4);
    failpoint::disarm_all();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, ErrorCode::io);
    const Status refused = status(store.commit(6));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::store_failed);
    EXPECT_EQ(must(store.view()).version(), 5);
    EXPECT_FALSE(store.close());
    {
      const CommitStore gone = std::move(store);
    }
    const CommitStore again = must(CommitStore::open(dir / "s", options()));
    EXPECT_EQ(again.version(), 4);
    expect_verified(again);
  }
}

#endif

}  // namespace
}  // namespace flatkv::store

// SPDX-License-Identifier: Apache-2.0
// Undoing recent blocks at once (docs/specification.md#undoing-recent-blocks).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <thread>

#include "base/bytes.hpp"
#include "base/failpoint.hpp"
#include "base/internals.hpp"
#include "changelog/undo_mark.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/rollback.hpp"
#include "store/commit_store.hpp"
#include "support/fault_counts.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

class Undo : public StoreFixture {
 protected:
  Undo() { options_.rollback_depth = 64; }

  /// The next blocks of a branch of the script; their states are remembered.
  void remember(std::int64_t count) {
    for (std::int64_t i = 0; i < count && !HasFatalFailure(); ++i) {
      blocks(1);
      states_[model_.version()] = model_.committed();
    }
  }

  void undo(std::int64_t version) {
    const std::string generation = live_generation(path());
    ASSERT_OK(store_->rollback(version));
    model_.go_back(states_.at(version));
    ASSERT_EQ(live_generation(path()), generation) << "a generation was built";
    ASSERT_EQ(store_->version(), version);
    ASSERT_EQ(store_->durable_version(), version);
    seed_ += 1;  // the next branch has other blocks
  }

  /// What a kill at this moment leaves opens at the model's version.
  void kill_and_open() {
    image("killed");
    close();
    restore("killed");
    open();
    check();
  }

  /// The store's id, from the header of a segment.
  changelog::StoreId store_id() const {
    const auto header = changelog::decode_segment_header(
        ByteView(read_file(segments(path()).front())).first(changelog::kSegmentHeaderBytes));
    return header.value().store;
  }

  std::map<std::int64_t, State> states_;
};

TEST_F(Undo, AnotherBranchGoesOnFromThere) {
  open();
  remember(20);
  auto undone = std::optional(store_->view());
  ASSERT_OK(*undone);
  const State then = model_.committed();
  undo(13);
  check();
  EXPECT_TRUE(fails(store_->view(14), ErrorCode::version_mismatch));
  remember(12);
  check();
  EXPECT_TRUE(view_is(**undone, then));
  undone.reset();
  for (std::int64_t v = 10; v <= 25; ++v) {
    const auto view = store_->view(v);
    ASSERT_OK(view);
    ASSERT_TRUE(view_is(*view, states_.at(v))) << v;
  }
  reopen();
  check_and_go_on();
}

TEST_F(Undo, AKillAfterItFindsTheOtherBranch) {
  open();
  remember(10);
  undo(7);
  kill_and_open();
  EXPECT_EQ(store_->version(), 7);
  remember(5);
  undo(9);
  remember(1);
  kill_and_open();
  EXPECT_EQ(store_->version(), 10);
  undo(9);  // of replayed blocks
  undo(8);
  remember(4);
  kill_and_open();
}

TEST_F(Undo, ManyOverFlushesAndSnapshots) {
  options_.flush.write_buffer_bytes = 24 << 10;
  options_.snapshot.interval = 40;
  options_.segment_bytes = 16 << 10;
  options_.rollback_depth = 12;
  open();
  remember(30);
  Random random(5);
  std::vector<std::pair<ReadView, State>> kept;
  for (int round = 0; round < 60 && !HasFatalFailure(); ++round) {
    remember(1 + static_cast<std::int64_t>(below(random, 9)));
    auto view = store_->view();
    ASSERT_OK(view);
    kept.emplace_back(std::move(*view), model_.committed());
    if (kept.size() > 4) kept.erase(kept.begin());
    const std::int64_t back = static_cast<std::int64_t>(below(random, 6));
    const std::int64_t floor = store_->metrics().undo_floor;
    if (model_.version() - back >= floor && back > 0) undo(model_.version() - back);
    if (round % 7 == 3) {
      ASSERT_OK(store_->flush());
    }
    if (round % 10 == 4) check();
    if (round % 15 == 6) {
      kept.clear();  // a view keeps the store open
      kill_and_open();
    }
    for (const auto& [old, state] : kept) ASSERT_TRUE(view_is(old, state));
    if (one_in(random, 20)) {
      kept.clear();
      reopen();
    }
  }
  EXPECT_GT(store_->metrics().flushes, 0U);
  kept.clear();
  reopen();
  check_and_go_on();
}

/// After pruning for a snapshot only the base of a segment may tell of its block.
TEST_F(Undo, ToASnapshotThatTheLogBeginsBehind) {
  options_.rollback_depth = 4;
  options_.segment_bytes = 1;  // each block has a segment
  options_.snapshot.interval = 6;
  options_.snapshot.keep = 0;
  open();
  remember(10);
  // Block 6 is old enough now: its snapshot is written, and the log pruned.
  while (segments(path()).size() > 4) std::this_thread::yield();
  undo(6);
  check();
  remember(3);
  undo(6);
  kill_and_open();
  remember(3);
  undo(7);
  kill_and_open();
  check_and_go_on();
}

TEST_F(Undo, ADeletedKeyThatComesBackIsSeenByTheFilterOfAbsentKeys) {
  options_.cache.row_cache_bytes = 0;
  open();
  const auto set = [](std::uint64_t from, std::uint64_t count) {
    Changes changes;
    for (std::uint64_t i = 0; i < count; ++i) changes.storage(address(1), slot(from + i), word(1));
    return changes;
  };
  block({set(0, 2000)});
  ASSERT_OK(store_->flush());
  reopen();
  block({set(5000, 10)});
  states_[2] = model_.committed();
  Changes gone;
  for (std::uint64_t i = 0; i < 10; ++i) gone.remove(storage_key(address(1), slot(5000 + i)));
  block({gone});
  // Looks for so many new keys that the filter scans the rows, which no longer have those ten.
  block({set(10'000, 3000)});
  block({set(20'000, 3000)});
  Internals::impl(*store_).core().absent_key_filter().wait();
  undo(2);
  block({set(30'000, 10)});  // a state above the scan's: the filter answers again
  ASSERT_OK(store_->flush());
  const std::uint64_t answers = store_->metrics().key_filter_answers;
  block({gone, set(40'000, 1000)});  // had they been called absent, the root would be wrong
  EXPECT_GT(store_->metrics().key_filter_answers, answers + 900) << "there is no filter";
  check_and_go_on();
}

TEST_F(Undo, TheDurableVersionFalls) {
  options_.durability = Durability::group;
  options_.group_blocks = 100;
  std::atomic<std::int64_t> told = 0;
  options_.on_durable = [&](std::int64_t version) { told = version; };
  open();
  remember(20);
  undo(15);
  EXPECT_EQ(store_->durable_version(), 15);
  EXPECT_TRUE(fails(store_->wait_durable(16), ErrorCode::invalid_argument));
  remember(3);
  ASSERT_OK(store_->wait_durable(18));
  EXPECT_EQ(store_->durable_version(), 18);
  close();
  EXPECT_EQ(told, 18);
  options_.on_durable = {};  // what it refers to ends before the store does
  open();
  check();
}

/// The callback keeps the syncs away until the log is cut, so who waits cannot see the block
/// durable.
TEST_F(Undo, WhoWaitsForABlockThatIsUndoneIsToldSo) {
  options_.durability = Durability::group;
  options_.group_blocks = 100;
  std::atomic<std::int64_t> back = 0;
  std::atomic<bool> held = false;
  options_.on_durable = [&](std::int64_t version) {
    while (version > back && store_->durable_version() > back) {
      held = true;
      std::this_thread::yield();
    }
  };
  open();
  remember(5);
  bool told = false;
  // A waiter that comes too late for the undo finds the block durable, or not there.
  while (!told && !HasFatalFailure()) {
    back = INT64_MAX;
    ASSERT_OK(store_->wait_durable(model_.version()));
    back = model_.version();
    held = false;
    remember(1);
    while (!held) std::this_thread::yield();
    remember(2);
    std::atomic<bool> comes = false;
    Status waited;
    std::jthread waiter([&] {
      comes = true;
      waited = store_->wait_durable(back + 3);
    });
    while (!comes) std::this_thread::yield();
    for (int i = 0; i < 100; ++i) std::this_thread::yield();
    undo(back);
    waiter.join();
    told = fails(waited, ErrorCode::stale);
    ASSERT_TRUE(told || waited || fails(waited, ErrorCode::invalid_argument));
  }
  back = INT64_MAX;
  remember(2);
  close();
  options_.on_durable = {};
  open();
  check_and_go_on();
}

/// The callback is still at an early block when the log is already cut.
TEST_F(Undo, ASlowCallbackOfDurabilityIsWaitedFor) {
  options_.durability = Durability::group;
  options_.group_blocks = 100;
  std::atomic<bool> called = false;
  std::atomic<bool> slow = true;
  std::atomic<bool> at_tip = false;
  std::atomic<std::int64_t> told = 0;
  options_.on_durable = [&](std::int64_t version) {
    called = true;
    while (slow && !(at_tip && store_->durable_version() == 15)) std::this_thread::yield();
    slow = false;
    told = version;
  };
  open();
  remember(20);
  // A first call after the undo would wait for a durable version that has passed.
  while (!called) std::this_thread::yield();
  at_tip = true;
  undo(15);
  remember(2);
  ASSERT_OK(store_->wait_durable(17));
  close();
  EXPECT_EQ(told, 17);
  options_.on_durable = {};
  open();
  check_and_go_on();
}

TEST_F(Undo, BelowTheFloorAGenerationIsBuilt) {
  open();
  remember(5);
  ASSERT_OK(store_->snapshot());
  remember(5);
  ASSERT_OK(store_->flush());
  remember(2);
  EXPECT_EQ(store_->metrics().undo_floor, 10);
  const std::string generation = live_generation(path());
  ASSERT_OK(store_->rollback(8));
  EXPECT_NE(live_generation(path()), generation);
  model_.go_back(states_.at(8));
  seed_ = 70;
  check_and_go_on();
}

/// Blocks are undone after every other slice, some of them already flushed to a held buffer: rounds
/// end all the same, and their sums are right.
TEST_F(Undo, TheScrubGoesOn) {
  options_.scrub.mode = Scrub::by_hand;
  open();
  remember(20);
  for (int i = 0; i < 4000; ++i) {
    const auto status = store_->scrub(7);
    ASSERT_OK(status);
    ASSERT_TRUE(status->findings.empty()) << i;
    if (status->progress.round > 2) break;
    ASSERT_LT(i, 3999) << "no round ended";
    if (i % 2 == 1) {
      remember(3);
      undo(model_.version() - 2);
    }
    if (i % 50 == 30) {
      ASSERT_OK(store_->flush());
    }
    if (i % 90 == 60) {  // more at once than the scrub keeps for later
      for (int n = 0; n < 20; ++n) {
        remember(2);
        undo(model_.version() - 1);
      }
    }
  }
  // What SCRUB says of undone blocks is not believed after a kill.
  remember(4);
  ASSERT_OK(store_->scrub(20));
  undo(model_.version() - 3);
  kill_and_open();
  for (int i = 0; i < 2000; ++i) {
    const auto status = store_->scrub(50);
    ASSERT_OK(status);
    ASSERT_TRUE(status->findings.empty());
  }
}

/// Slices are read, and commits and undos made, at the same time.
TEST_F(Undo, TheScrubGoesOnBesideIt) {
  options_.scrub.mode = Scrub::in_background;
  options_.scrub.rows_per_second = 1'000'000;
  options_.scrub.pause_seconds = 0;
  open();
  remember(20);
  const auto round = [&] { return store_->scrub_status().value()->progress.round; };
  for (int i = 0; (i < 300 || round() == 1) && !HasFatalFailure(); ++i) {
    ASSERT_LT(i, 20'000) << "no round ended";
    remember(2);
    undo(model_.version() - 1);
    if (i % 40 == 7) {
      ASSERT_OK(store_->flush());
    }
  }
  EXPECT_TRUE(store_->scrub_status().value()->findings.empty());
  check_and_go_on();
}

TEST_F(Undo, ACleanCloseLeavesTheLastBlocksUndoable) {
  open();
  remember(10);
  reopen();
  EXPECT_TRUE(store_->open_report().clean);
  EXPECT_EQ(store_->open_report().replayed_blocks, 10);
  EXPECT_EQ(store_->metrics().undo_floor, 0);
  undo(4);
  check();
  remember(3);
  reopen();
  undo(5);
  check_and_go_on();
}

TEST_F(Undo, AnOldBufferIsFlushedAtTheClose) {
  options_.rollback_depth = 6;
  options_.flush.max_lag_blocks = 3;
  open();
  remember(30);
  close();
  const std::int64_t at = flushed("storage");
  EXPECT_GT(at, 0);
  EXPECT_LE(at, 24);
  EXPECT_TRUE(all_flushed_at(at));
  open();
  EXPECT_TRUE(store_->open_report().clean);
  EXPECT_EQ(store_->metrics().undo_floor, 24);  // as far as there are hashes
  undo(24);
  check_and_go_on();
}

/// A CLEAN that tells of blocks in the log alone is worth nothing without these.
TEST_F(Undo, ACleanCloseIsNotBelievedBesideAnotherLog) {
  open();
  remember(10);
  close();
  const std::string segment = segments(path()).back();
  Bytes whole = read_file(segment);
  Bytes bad = whole;
  bad[bad.size() - 3] ^= 1U;
  write_file(segment, bad);
  EXPECT_FALSE(try_open());
  write_file(segment, whole);
  open();
  EXPECT_TRUE(store_->open_report().clean);
  check();
}

TEST_F(Undo, ByPathAfterACleanCloseAndAfterAKill) {
  open();
  remember(12);
  const std::string generation = live_generation(path());
  close();
  ASSERT_OK(rollback(path(), 8));
  EXPECT_EQ(live_generation(path()), generation);
  model_.go_back(states_.at(8));
  ++seed_;
  open();
  check();
  remember(6);
  image("killed");
  close();
  restore("killed");
  const auto info = inspect_store(path());
  ASSERT_OK(info);
  EXPECT_EQ(info->undo_floor, 0);
  ASSERT_OK(rollback(path(), 11));
  EXPECT_EQ(live_generation(path()), generation);
  model_.go_back(states_.at(11));
  ++seed_;
  open();
  check();
  ASSERT_OK(store_->flush());
  remember(3);
  close();
  EXPECT_EQ(inspect_store(path()).value().undo_floor, 11);
  ASSERT_OK(rollback(path(), 9));
  EXPECT_NE(live_generation(path()), generation);
  model_.go_back(states_.at(9));
  open();
  check_and_go_on();
}

TEST_F(Undo, ARefusalSaysHowFarBlocksCanBeUndone) {
  open();
  remember(9);
  ASSERT_OK(store_->flush());
  remember(4);
  const Status refused = store_->rollback(20);
  ASSERT_TRUE(fails(refused, ErrorCode::version_mismatch));
  EXPECT_NE(refused.error().message.find("the last 4 blocks can be undone at once"),
            std::string::npos)
      << refused.error().message;
}

TEST_F(Undo, F4_AMarkThatFitsNoLogIsRefused) {
  open();
  remember(6);
  close();
  const std::string mark = live_generation(path()) + "/changelog/UNDO";
  write_file(mark, text("flatkv-undo 1\n"));
  EXPECT_TRUE(fails(try_open(), ErrorCode::corruption));
  count_fault("F4", Came::refused);
  // A mark of this store, but of a block that it never had.
  changelog::UndoMark other;
  other.store = store_id();
  other.version = 3;
  other.tip = 6;
  write_file(mark, changelog::encode(other));
  EXPECT_TRUE(fails(try_open(), ErrorCode::corruption));
  count_fault("F4", Came::refused);
  stdfs::remove(mark);
  open();
  check_and_go_on();
}

#ifdef FLATKV_FAILPOINTS
// Where the log ends with a replayed block is looked up, once no snapshot prunes it any more.
TEST_F(Undo, AFlushThatFailsWhileItIsWaitedForUndoesNothing) {
  options_.rollback_depth = 2;
  open();
  for (std::uint64_t i = 1; i <= 2; ++i) {
    block({Changes().storage(address(1), slot(i), Bytes(20 << 10, static_cast<std::uint8_t>(i)))});
  }
  image("killed");
  close();
  restore("killed");
  options_.flush.write_buffer_bytes = 16 << 10;  // the first is flushed when the second is full
  std::atomic<bool> flushing = false;
  std::atomic<bool> release = false;
  failpoint::arm(
      "flush.begin",
      [&]() -> Status {
        flushing = true;
        flushing.notify_all();
        release.wait(false);
        return fail(ErrorCode::io, "injected");
      },
      1, 0);
  open();
  ASSERT_EQ(store_->open_report().replayed_blocks, 2);
  flushing.wait(false);
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));  // until the undo waits
    release = true;
    release.notify_all();
  });
  EXPECT_FALSE(store_->rollback(1));
  later.join();
  EXPECT_EQ(store_->version(), 2);
  store_.reset();
  failpoint::disarm_all();
  open();
  check();
}

TEST_F(Undo, AnErrorBeforeTheMarkUndoesNothingAndOneAfterItFailsTheStore) {
  for (const char* site : {"undo.begin", "undo.log_synced", "undo.unmarked"}) {
    open();
    remember(6);
    const std::int64_t tip = model_.version();
    failpoint::arm(site, [] { return fail(ErrorCode::io, "injected"); });
    EXPECT_FALSE(store_->rollback(tip - 3)) << site;
    failpoint::disarm_all();
    EXPECT_EQ(store_->version(), tip);
    check_and_go_on();
    states_[model_.version()] = model_.committed();
    kill_and_open();
  }
  for (const char* site :
       {"changelog.undo.before_mark", "changelog.undo.marked", "changelog.undo.truncated",
        "changelog.undo.cut", "changelog.undo.unmarked", "changelog.undo.done", "undo.rewound"}) {
    remember(6);
    const std::int64_t tip = model_.version();
    failpoint::arm(site, [] { return fail(ErrorCode::io, "injected"); });
    EXPECT_FALSE(store_->rollback(tip - 3)) << site;
    failpoint::disarm_all();
    EXPECT_EQ(store_->version(), tip);
    EXPECT_TRUE(fails(store_->commit(tip + 1), ErrorCode::store_failed)) << site;
    store_.reset();
    open();
    const bool undone = std::string_view(site) != "changelog.undo.before_mark";
    ASSERT_EQ(store_->version(), undone ? tip - 3 : tip) << site;
    model_.go_back(states_.at(store_->version()));
    ++seed_;
    check();
  }
}
#endif

}  // namespace
}  // namespace flatkv::test

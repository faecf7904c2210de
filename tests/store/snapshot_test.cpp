// SPDX-License-Identifier: Apache-2.0
// Snapshots of a running store (docs/specification.md#snapshot): what goes on meanwhile, what is
// kept, and what a kill leaves.
#include <gtest/gtest.h>

#include <chrono>
#include <latch>
#include <mutex>
#include <thread>

#include "base/error.hpp"
#include "base/failpoint.hpp"
#include "flatkv/tools/inspect.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

class SnapshotsOfAStore : public StoreFixture {
 protected:
  void SetUp() override {
    options_.segment_bytes = 2048;
    options_.log = [this](LogLevel level, std::string_view text) {
      const std::lock_guard lock(mutex_);
      if (level != LogLevel::info) said_.emplace_back(text);
    };
  }
  void TearDown() override {
#ifdef FLATKV_FAILPOINTS
    failpoint::disarm_all();
#endif
  }

  std::vector<std::int64_t> valid() const {
    const auto all = list_snapshots(path());
    EXPECT_OK(all);
    std::vector<std::int64_t> versions;
    for (const SnapshotInfo& one : *all) {
      if (!one.problem) versions.push_back(one.version);
    }
    return versions;
  }

  template <class Condition>
  static bool soon(Condition condition) {
    for (int i = 0; i < 60'000 && !condition(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return condition();
  }

  void expect_readable_at(std::int64_t version, const State& state) const {
    ReadOnlyOptions options;
    options.at = version;
    const auto clone = ReadOnlyStore::open(path(), options);
    ASSERT_OK(clone);
    ASSERT_TRUE(view_is(clone->view(), state));
  }

  std::mutex mutex_;
  std::vector<std::string> said_;
};

#ifdef FLATKV_FAILPOINTS

TEST_F(SnapshotsOfAStore, CommitsAndReadersGoOnWhileOneIsWritten) {
  options_.snapshot.interval = 10;
  for (const char* site : {"snapshot.begun", "snapshot.checkpointed",
                           "layout.snapshot.before_manifest", "layout.snapshot.before_rename"}) {
    SCOPED_TRACE(site);
    remove_tree(path());
    model_ = Model();
    open();
    std::atomic<bool> there = false;
    std::atomic<bool> go_on = false;
    failpoint::arm(site, [&]() -> Status {
      there = true;
      soon([&] { return go_on.load(); });
      return {};
    });
    blocks(10);
    const State frozen = model_.committed();
    ASSERT_TRUE(soon([&] { return there.load(); }));
    blocks(7);
    const auto view = store_->view();
    ASSERT_OK(view);
    EXPECT_TRUE(view_is(*view, model_.committed()));
    EXPECT_EQ(valid(), (std::vector<std::int64_t>{0}));
    go_on = true;
    ASSERT_TRUE(soon([&] { return valid().back() == 10; }));
    expect_readable_at(10, frozen);
    close();
    if (HasFatalFailure()) return;
  }
}

TEST_F(SnapshotsOfAStore, AFailedAutomaticOneIsReportedAndTriedAtTheNextInterval) {
  options_.snapshot.interval = 5;
  open();
  failpoint::arm("snapshot.checkpointed",
                 []() -> Status { return fail(ErrorCode::no_space, "injected"); });
  blocks(7);
  ASSERT_TRUE(soon([&] {
    const std::lock_guard lock(mutex_);
    return !said_.empty();
  }));
  EXPECT_NE(said_.front().find("injected"), std::string::npos) << said_.front();
  EXPECT_EQ(valid(), (std::vector<std::int64_t>{0}));
  blocks(3);
  ASSERT_TRUE(soon([&] { return valid().back() == 10; }));
  check_and_go_on();
}

TEST_F(SnapshotsOfAStore, AFailureToPruneFailsNeitherSnapshotNorStore) {
  options_.snapshot.keep = 0;
  open();
  blocks(5);
  failpoint::arm("layout.snapshot.before_remove",
                 []() -> Status { return fail(ErrorCode::io, "injected"); });
  static_cast<void>(store_->snapshot());
  EXPECT_EQ(valid().back(), 5);
  failpoint::disarm_all();
  blocks(2);
  ASSERT_OK(store_->snapshot());
  EXPECT_EQ(valid(), (std::vector<std::int64_t>{7}));
  reopen();
  check_and_go_on();
}

#endif

TEST_F(SnapshotsOfAStore, TheLogReachesFromTheOldestKeptOneToTheTip) {
  options_.snapshot.keep = 1;
  open();
  std::map<std::int64_t, State> states = {{0, model_.committed()}};
  const auto more = [&](int count) {
    for (int i = 0; i < count; ++i) {
      blocks(1);
      states[model_.version()] = model_.committed();
    }
  };
  for (int round = 0; round < 4; ++round) {
    more(9);
    ASSERT_OK(store_->snapshot());
    ASSERT_OK(store_->snapshot());  // there is one: nothing to do
    more(4);
    const auto kept = valid();
    ASSERT_EQ(kept.size(), 2U);
    const auto log = LogReader::open(path(), std::nullopt, false);
    ASSERT_OK(log);
    EXPECT_LE(log->range().base, kept.front());
    EXPECT_EQ(log->range().last, model_.version());
    EXPECT_TRUE(round == 0 || log->range().base > 0) << "no segment was pruned";
    for (const std::int64_t version : {kept.front(), kept.front() + 1, kept.back() - 1, kept.back(),
                                       kept.back() + 1, model_.version()}) {
      expect_readable_at(version, states.at(version));
    }
    if (HasFatalFailure()) return;
    if (kept.front() == 0) continue;
    ReadOnlyOptions below;
    below.at = kept.front() - 1;
    const auto refused = ReadOnlyStore::open(path(), below);
    ASSERT_TRUE(fails(refused, ErrorCode::version_mismatch));
    const std::string range =
        std::to_string(kept.front()) + " to " + std::to_string(model_.version());
    EXPECT_NE(refused.error().message.find(range), std::string::npos) << refused.error().message;
    EXPECT_TRUE(fails(store_->rollback(*below.at), ErrorCode::version_mismatch));
  }
}

TEST_F(SnapshotsOfAStore, WhatAKillCostsIsBoundedByMaxLag) {
  options_.flush.max_lag_blocks = 10;
  options_.flush.write_buffer_bytes = 64 << 20;
  open();
  blocks(95);
  std::uint64_t flushes = 0;
  ASSERT_TRUE(soon([&] {  // until no flush is running
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return std::exchange(flushes, store_->metrics().flushes) == store_->metrics().flushes;
  }));
  EXPECT_GE(flushes, 8U);
  image("killed");
  close();
  restore("killed");
  open();
  EXPECT_LE(store_->open_report().replayed_blocks, 11);
  check_and_go_on();
}

#ifdef FLATKV_FAILPOINTS
TEST_F(SnapshotsOfAStore, OneThatIsDueIsWrittenByTheClose) {
  options_.snapshot.interval = 3;
  options_.flush.max_lag_blocks = 1;
  open();
  std::latch go(1);
  failpoint::arm("flush.begin", [&]() -> Status {
    go.wait();
    return {};
  });
  blocks(3);  // one flush runs and one waits: the snapshot would have to wait for both
  EXPECT_EQ(valid().back(), 0);
  go.count_down();
  close();
  EXPECT_EQ(valid().back(), 3);
}
#endif

}  // namespace
}  // namespace flatkv::test

// SPDX-License-Identifier: Apache-2.0
// A store and a copy of it made of hard links (`cp -al`): whatever one of them does, no byte of the
// other changes, and both stay usable (fault matrix W14).
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "flatkv/tools/rollback.hpp"
#include "support/fault_counts.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

class LinkedCopy : public StoreFixture {
 protected:
  void SetUp() override {
    options_.segment_bytes = 64 << 10;  // the last one is not full at close
    options_.scrub.mode = Scrub::by_hand;
    options_.snapshot.keep = 1;
    open();
    blocks(8);
    ASSERT_OK(store_->snapshot());
    blocks(5);
    ASSERT_OK(store_->scrub(20));
    ASSERT_OK(store_->flush());
    blocks(4);
  }

  std::string copy() const { return aside("linked"); }
  void link() {
    stdfs::remove_all(copy());
    stdfs::copy(path(), copy(),
                stdfs::copy_options::recursive | stdfs::copy_options::create_hard_links);
  }

  /// Does everything that changes files, until tables are compacted too.
  static void work(CommitStore& store, Model& model, std::uint64_t seed) {
    const auto blocks = [&](int count) {
      for (int i = 0; i < count; ++i) {
        ASSERT_TRUE(commit_both(store, model, script_block(seed, model.version() + 1)));
      }
    };
    const Model before = model;
    for (int i = 0; i < 12; ++i) {
      blocks(2);
      ASSERT_OK(store.flush());
      ASSERT_OK(store.scrub(10));
    }
    // RocksDB compacts on a thread of its own.
    for (int look = 0; look < 24'000 && store.metrics().compaction_bytes == 0; ++look) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_GT(store.metrics().compaction_bytes, 0U);
    ASSERT_OK(store.snapshot());
    blocks(1);
    ASSERT_OK(store.rollback(before.version()));
    model = before;
    blocks(3);
    ASSERT_OK(store.snapshot());
    blocks(2);
    ASSERT_TRUE(store_is(store, model.committed()));
  }
  void work_in(const std::string& store, Model& model, std::uint64_t seed) {
    auto opened = CommitStore::open(store, options_);
    ASSERT_OK(opened);
    ASSERT_TRUE(store_is(*opened, model.committed()));
    work(*opened, model, seed);
    ASSERT_OK(opened->close());
  }
};

TEST_F(LinkedCopy, W14_WhatEitherOfTwoClosedStoresDoes) {
  close();
  link();
  Model other = model_;
  const auto original = tree_state(path());
  work_in(copy(), other, 100);
  EXPECT_EQ(tree_difference(original, tree_state(path())), "");
  const auto copied = tree_state(copy());
  work_in(path(), model_, 200);
  EXPECT_EQ(tree_difference(copied, tree_state(copy())), "");
  work_in(copy(), other, 300);
  count_fault("W14", Came::recovered);
}

TEST_F(LinkedCopy, W14_AKilledStoreAndBothOpenAtOnce) {
  image("killed");
  close();
  restore("killed");
  // A process killed while it opened the databases may leave such files: RocksDB takes these
  // numbers next.
  for (const char* name : kNames) {
    for (int number = 1; number < 200; ++number) {
      const std::string digits = std::to_string(1'000'000 + number).substr(1);
      const std::string manifest = working(path(), name) + "/MANIFEST-" + digits;
      if (!stdfs::exists(manifest)) write_file(manifest, bytes({1, 2, 3}));
    }
  }
  link();
  Model other = model_;
  const auto original = tree_state(path());
  {
    auto second = CommitStore::open(copy(), options_);
    ASSERT_OK(second);
    EXPECT_EQ(tree_difference(original, tree_state(path())), "");
    open();
    EXPECT_EQ(store_->open_report().replayed_blocks, 4);
    work(*second, other, 100);
    work(*store_, model_, 200);
    ASSERT_OK(second->close());
  }
  check();
  close();
  open();
  check_and_go_on();
  work_in(copy(), other, 300);
  count_fault("W14", Came::recovered);
}

TEST_F(LinkedCopy, ASharedLogIsNoUncleanEnd) {
  close();
  link();
  open();
  EXPECT_TRUE(store_->open_report().clean);
  EXPECT_EQ(store_->open_report().replayed_blocks, 0);
  check_and_go_on();
}

}  // namespace
}  // namespace flatkv::test

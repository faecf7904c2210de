// SPDX-License-Identifier: Apache-2.0
// The lock. Fault matrix K1 to K6. docs/hazards.md#locks-that-do-not-exclude.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>

#include "support/child.hpp"
#include "support/fault_counts.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

/// Arguments: store. Opens it, reports, and keeps it open until it is killed.
int hold(const std::vector<std::string>& arguments, const Reporter& reporter) {
  auto store = CommitStore::open(arguments.at(0), small_options());
  if (!store) {
    reporter.say('e', static_cast<std::int64_t>(store.error().code));
    return 1;
  }
  reporter.say('r', store->version());
  for (;;) ::pause();
}
const RegisterChild kHold("hold", hold);

/// Only stays alive, with whatever files it inherited open.
int live_on(const std::vector<std::string>&, const Reporter& reporter) {
  reporter.say('r', 0);
  for (;;) ::pause();
}
const RegisterChild kLiveOn("live on", live_on);

class Locks : public StoreFixture {
 protected:
  /// Counts the row that the test is named after, if the test passed.
  void count(Came came) {
    if (HasFailure()) return;
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    count_fault(name.substr(0, name.find('_')), came);
  }
  void SetUp() override {
    open();
    blocks(3);
  }
  void expect_locked() {
    const auto before = std::chrono::steady_clock::now();
    const auto opened = CommitStore::open(path(), options_);
    EXPECT_TRUE(fails(opened, ErrorCode::locked));
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(30));
  }
};

TEST_F(Locks, K1_SecondProcessIsRefusedAndToldWhoHasIt) {
  close();
  Child holder = Child::start("hold", {path()});
  ASSERT_TRUE(holder.wait_for_message());
  ASSERT_TRUE(holder.last('r'));
  const auto opened = CommitStore::open(path(), options_);
  ASSERT_TRUE(fails(opened, ErrorCode::locked));
  EXPECT_NE(opened.error().to_string().find(std::to_string(holder.pid())), std::string::npos)
      << opened.error().to_string();
  count(Came::refused);
}

TEST_F(Locks, K1_ChildIsRefusedWhileWeHaveIt) {
  Child second = Child::start("hold", {path()});
  ASSERT_TRUE(second.wait_for_message());
  EXPECT_EQ(second.last('e'), static_cast<std::int64_t>(ErrorCode::locked));
  count(Came::refused);
}

TEST_F(Locks, K2_SameProcessIsRefusedToo) {
  expect_locked();
  blocks(2);
  check();
  count(Came::refused);
}

TEST_F(Locks, K3_LockOfAKilledHolderIsFree) {
  close();
  Child holder = Child::start("hold", {path()});
  ASSERT_TRUE(holder.wait_for_message());
  holder.kill();
  holder.wait();
  open();
  check_and_go_on();
  count(Came::recovered);
}

TEST_F(Locks, K4_DeletedLockFileLetsNobodyIn) {
  stdfs::remove(path() + "/LOCK");
  expect_locked();
  Child second = Child::start("hold", {path()});
  ASSERT_TRUE(second.wait_for_message());
  EXPECT_EQ(second.last('e'), static_cast<std::int64_t>(ErrorCode::locked));
  blocks(2);
  check();
  count(Came::refused);
}

TEST_F(Locks, K5_ChildrenDoNotInheritTheLock) {
  Child child = Child::start("live on", {});
  ASSERT_TRUE(child.wait_for_message());
  close();
  open();  // the child is alive
  check_and_go_on();
  count(Came::recovered);
}

TEST_F(Locks, K6_StoreMovedAwayUnderItsWriterIsFailed) {
  stdfs::rename(path(), path() + "-moved");
  stdfs::create_directory(path());
  for (const Changes& changes : script_block(seed_, 4)) EXPECT_OK(store_->apply(changes));
  EXPECT_TRUE(fails(store_->commit(4), ErrorCode::store_failed));
  EXPECT_TRUE(fails(store_->commit(4), ErrorCode::store_failed));
  EXPECT_EQ(store_->version(), 3);
  store_.reset();
  EXPECT_TRUE(tree_state(path()).empty()) << "something was written to the new directory";
  stdfs::remove(path());
  stdfs::rename(path() + "-moved", path());
  open();
  check_and_go_on();
  count(Came::failed);
}

}  // namespace
}  // namespace flatkv::test

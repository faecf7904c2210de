// SPDX-License-Identifier: Apache-2.0
#include "layout/lock.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "layout/test_support.hpp"

namespace flatkv::layout {
namespace {

std::string own_pid() { return "pid " + std::to_string(::getpid()); }

TEST(StoreLock, K2_TheSameProcessIsLockedOutTooAndToldWhoHoldsIt) {
  const fs::TestDirectory store;
  const auto first = StoreLock::take(fs::posix(), store.path(), 0);
  ASSERT_TRUE(succeeds(first));
  const auto second = StoreLock::take(fs::posix(), store.path(), 30);
  ASSERT_TRUE(fails_with(second, ErrorCode::locked, own_pid()));
  EXPECT_TRUE(second.error().message.contains("host "));
  EXPECT_TRUE(second.error().message.contains("since 2"));
}

TEST(StoreLock, IsLetGoWithItsOwner) {
  const fs::TestDirectory store;
  {
    auto first = StoreLock::take(fs::posix(), store.path(), 0);
    ASSERT_TRUE(succeeds(first));
    const StoreLock moved = *std::move(first);
    EXPECT_FALSE(StoreLock::take(fs::posix(), store.path(), 0));
  }
  EXPECT_TRUE(succeeds(StoreLock::take(fs::posix(), store.path(), 0)));
}

TEST(StoreLock, K1_K3_AnotherProcessIsNamedAndItsDeathFreesTheLock) {
  const fs::TestDirectory store;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = StoreLock::take(fs::posix(), store.path(), 0);
    const char answer = lock ? 'y' : 'n';
    if (::write(ready[1], &answer, 1) == 1) ::pause();
    ::_exit(1);
  }
  ASSERT_GT(child, 0);
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_TRUE(fails_with(StoreLock::take(fs::posix(), store.path(), 0), ErrorCode::locked,
                         "pid " + std::to_string(child)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(succeeds(StoreLock::take(fs::posix(), store.path(), 0)));
  ::close(ready[0]);
  ::close(ready[1]);
}

// docs/hazards.md#locks-that-do-not-exclude
TEST(StoreLock, K4_DeletingLockWhileHeldLetsNobodyIn) {
  const fs::TestDirectory store;
  const auto first = StoreLock::take(fs::posix(), store.path(), 0);
  ASSERT_TRUE(succeeds(first));
  ASSERT_TRUE(std::filesystem::remove(store / "LOCK"));
  EXPECT_TRUE(fails_with(StoreLock::take(fs::posix(), store.path(), 0), ErrorCode::locked));
  spill(store / "LOCK", "forged \x1b[31m\n");
  const auto third = StoreLock::take(fs::posix(), store.path(), 0);
  ASSERT_TRUE(fails_with(third, ErrorCode::locked, "forged ?[31m"));
  EXPECT_TRUE(succeeds(first->check(store.path())));
}

TEST(StoreLock, WaitsForAShortHolder) {
  const fs::TestDirectory store;
  auto first = StoreLock::take(fs::posix(), store.path(), 0);
  ASSERT_TRUE(succeeds(first));
  std::thread holder([lock = *std::move(first)]() mutable {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const StoreLock ends = std::move(lock);
  });
  EXPECT_TRUE(succeeds(StoreLock::take(fs::posix(), store.path(), 60'000)));
  holder.join();
}

TEST(StoreLock, K6_AStoreMovedAwayOrReplacedHasFailed) {
  const fs::TestDirectory directory;
  const std::string store = directory / "store";
  make_directories(store);
  const auto lock = StoreLock::take(fs::posix(), store, 0);
  ASSERT_TRUE(succeeds(lock));
  EXPECT_TRUE(succeeds(lock->check(store)));
  std::filesystem::rename(store, directory / "moved");
  EXPECT_TRUE(fails_with(lock->check(store), ErrorCode::store_failed));
  make_directories(store);
  EXPECT_TRUE(fails_with(lock->check(store), ErrorCode::store_failed));
  std::filesystem::remove(store);
  std::filesystem::create_directory_symlink("moved", store);
  EXPECT_TRUE(fails_with(lock->check(store), ErrorCode::store_failed)) << "a link is another thing";
  std::filesystem::remove(store);
  std::filesystem::rename(directory / "moved", store);
  EXPECT_TRUE(succeeds(lock->check(store)));
}

TEST(StoreLock, NetworkFileSystemsAreRefused) {
  const fs::TestDirectory store;
  WatchedFiles files;
  files.network = true;
  EXPECT_TRUE(fails_with(StoreLock::take(files, store.path(), 0), ErrorCode::unsupported));
  EXPECT_TRUE(files.operations.empty());
}

TEST(StoreLock, NeedsADirectoryAndFollowsNoLink) {
  const fs::TestDirectory directory;
  EXPECT_TRUE(
      fails_with(StoreLock::take(fs::posix(), directory / "none", 0), ErrorCode::not_found));
  make_directories(directory / "real");
  std::filesystem::create_directory_symlink("real", directory / "link");
  EXPECT_TRUE(
      fails_with(StoreLock::take(fs::posix(), directory / "link", 0), ErrorCode::corruption));
}

TEST(StoreLock, ALinkInPlaceOfLockIsReplacedNotFollowed) {
  const fs::TestDirectory store;
  spill(store / "victim", "precious");
  std::filesystem::create_symlink("victim", store / "LOCK");
  ASSERT_TRUE(succeeds(StoreLock::take(fs::posix(), store.path(), 0)));
  EXPECT_EQ(as_chars(slurp(store / "victim")), "precious");
  EXPECT_FALSE(std::filesystem::is_symlink(store / "LOCK"));
}

}  // namespace
}  // namespace flatkv::layout

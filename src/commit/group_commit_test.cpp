// SPDX-License-Identifier: Apache-2.0
#include "commit/group_commit.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "blake3/blake3.hpp"
#include "changelog/log_maintenance.hpp"
#include "fs/test_directory.hpp"

namespace flatkv::commit {
namespace {

using namespace std::chrono_literals;

class Group : public testing::Test {
 protected:
  static constexpr changelog::StoreId kStore{7};

  Group() {
    const auto created = changelog::create_log(fs::posix(), directory_ / "log", kStore, {});
    EXPECT_TRUE(created);
    changelog::SurveyOptions survey;
    survey.store = kStore;
    const auto walk = changelog::walk_segments(fs::posix(), directory_ / "log", survey);
    base_ = (*walk)->tip;
    writer_ = *changelog::Writer::open(fs::posix(), directory_ / "log", base_, {.store = kStore});
  }
  void append(std::int64_t version) {
    const std::array<ByteView, 1> payload{};
    ASSERT_TRUE(writer_->append(version, payload, blake3::hash({}), {}));
  }

  const fs::TestDirectory directory_;
  changelog::Tip base_;
  std::unique_ptr<changelog::Writer> writer_;
  state::PoisonLatch fault_;
};

TEST_F(Group, EveryBlockBecomesDurableAndIsTold) {
  std::mutex mutex;
  std::vector<std::int64_t> told;
  GroupCommit group(*writer_, fault_, [&](std::int64_t version) {
    const std::lock_guard lock(mutex);
    told.push_back(version);
  });
  for (std::int64_t version = 1; version <= 20; ++version) {
    append(version);
    ASSERT_TRUE(group.appended(version, 2));
    EXPECT_GE(writer_->synced(), version - 2) << "more than two are not durable";
  }
  EXPECT_TRUE(group.wait(20));
  EXPECT_EQ(writer_->synced(), 20);
  group.stop();
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.back(), 20);
  EXPECT_TRUE(std::ranges::is_sorted(told));
}

TEST_F(Group, AtItsEndTheRestIsSyncedAndTold) {
  std::atomic<std::int64_t> told = 0;
  {
    GroupCommit group(*writer_, fault_, [&](std::int64_t version) { told = version; });
    append(1);
    ASSERT_TRUE(group.appended(1, 100));
  }
  EXPECT_EQ(told, 1);
  EXPECT_EQ(writer_->synced(), 1);
}

TEST_F(Group, ABlockThatIsNotThereIsNotWaitedFor) {
  GroupCommit group(*writer_, fault_, {});
  append(1);
  ASSERT_TRUE(group.appended(1, 100));
  EXPECT_TRUE(group.wait(1));
  const Status never = group.wait(2);
  ASSERT_FALSE(never);
  EXPECT_EQ(never.error().code, ErrorCode::stale);
  EXPECT_EQ(never.error().version, 2);
}

TEST_F(Group, WhatIsAppendedAfterAnUndoIsSyncedAndToldAnew) {
  std::atomic<std::int64_t> told = 0;
  GroupCommit group(*writer_, fault_, [&](std::int64_t version) { told = version; });
  for (const std::int64_t version : {1, 2, 3}) {
    append(version);
    ASSERT_TRUE(group.appended(version, 100));
  }
  ASSERT_TRUE(group.wait(3));
  std::filesystem::resize_file(directory_ / ("log/" + base_.segment), base_.end_offset);
  ASSERT_TRUE(writer_->rewind(base_));
  group.rewind(0);
  told = 0;
  EXPECT_FALSE(group.wait(1)) << "it was undone";
  append(1);
  ASSERT_TRUE(group.appended(1, 100));
  EXPECT_TRUE(group.wait(1));
  group.stop();
  EXPECT_EQ(told, 1);
}

// An undo looks at those who wait; of who does no longer even the stack may be gone.
TEST_F(Group, WhoHasWaitedIsForgotten) {
  GroupCommit group(*writer_, fault_, {});
  append(1);
  ASSERT_TRUE(group.appended(1, 100));
  constexpr std::size_t kBytes = std::size_t{1} << 20;
  void* const stack =
      ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(stack, MAP_FAILED);
  pthread_attr_t attributes;
  ASSERT_EQ(::pthread_attr_init(&attributes), 0);
  ASSERT_EQ(::pthread_attr_setstack(&attributes, stack, kBytes), 0);
  pthread_t waiter{};
  const auto wait = [](void* of) -> void* {
    EXPECT_TRUE(static_cast<GroupCommit*>(of)->wait(1));
    return nullptr;
  };
  ASSERT_EQ(::pthread_create(&waiter, &attributes, wait, &group), 0);
  ASSERT_EQ(::pthread_join(waiter, nullptr), 0);
  ASSERT_EQ(::pthread_attr_destroy(&attributes), 0);
  ASSERT_EQ(::munmap(stack, kBytes), 0);
  std::filesystem::resize_file(directory_ / ("log/" + base_.segment), base_.end_offset);
  ASSERT_TRUE(writer_->rewind(base_));
  group.rewind(0);
  EXPECT_FALSE(group.wait(1)) << "it was undone";
}

TEST_F(Group, AnExceptionOfTheCallbackFailsTheStoreAndLeavesNobodyWaiting) {
  GroupCommit group(*writer_, fault_, [](std::int64_t) { throw std::runtime_error("callback"); });
  append(1);
  static_cast<void>(group.appended(1, 100));
  append(2);
  // Appends go on until the fault is known; none waits for ever.
  auto last = std::async(std::launch::async, [&] { return group.appended(2, 0); });
  ASSERT_EQ(last.wait_for(30s), std::future_status::ready);
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (!fault_.failed() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  ASSERT_TRUE(fault_.failed());
  append(3);
  EXPECT_FALSE(group.appended(3, 0));
  EXPECT_EQ(group.wait(3).error().code, ErrorCode::store_failed);
}

}  // namespace
}  // namespace flatkv::commit

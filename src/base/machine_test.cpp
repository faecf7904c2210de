// SPDX-License-Identifier: Apache-2.0
// What a process may use, with control groups of both versions as files of a made-up root.
#include "base/machine.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace flatkv {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

class MachineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "flatkv-root-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    put("/proc/meminfo", "MemTotal:       16777216 kB\nMemFree:        1 kB\n");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  void version_2(const std::string& group, const std::string& shows = "/") {
    put("/proc/self/cgroup", "0::" + group + "\n");
    put("/proc/self/mountinfo",
        "22 1 8:1 / / rw - ext4 /dev/root rw\n"
        "31 22 0:28 " +
            shows + " /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }
  void version_1(const std::string& group, const std::string& shows = "/") {
    put("/proc/self/cgroup",
        "9:name=systemd:/\n4:memory:" + group + "\n1:cpu,cpuacct:" + group + "\n0::/elsewhere\n");
    put("/proc/self/mountinfo",
        "33 31 0:30 " + shows + " /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
            "36 31 0:33 " + shows + " /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  }

  std::string root_;
};

TEST_F(MachineTest, WithoutControlGroupsItIsTheMachines) {
  const Machine found = look_at_machine(root_);
  EXPECT_EQ(found.memory, 16384 * kMiB);
  EXPECT_EQ(found.memory_from, "the machine");
  EXPECT_GE(found.cores, 1U);
}

TEST_F(MachineTest, Version2) {
  version_2("/pods/one");
  put("/sys/fs/cgroup/pods/one/memory.max", "1073741824\n");
  put("/sys/fs/cgroup/pods/one/cpu.max", "90000 100000\n");
  const Machine found = look_at_machine(root_);
  EXPECT_EQ(found.memory, 1024 * kMiB);
  EXPECT_EQ(found.memory_from, root_ + "/sys/fs/cgroup/pods/one/memory.max");
  EXPECT_EQ(found.cores, 1U);
}

TEST_F(MachineTest, TheLeastOfAllGroupsAboveCounts) {
  version_2("/pods/one/inner");
  put("/sys/fs/cgroup/pods/one/inner/memory.max", "max\n");
  put("/sys/fs/cgroup/pods/one/inner/cpu.max", "max 100000\n");
  put("/sys/fs/cgroup/pods/one/memory.max", "2147483648\n");
  put("/sys/fs/cgroup/pods/memory.max", "536870912\n");
  put("/sys/fs/cgroup/pods/cpu.max", "50000 100000\n");
  put("/sys/fs/cgroup/memory.max", "4294967296\n");
  const Machine found = look_at_machine(root_);
  EXPECT_EQ(found.memory, 512 * kMiB);
  EXPECT_EQ(found.memory_from, root_ + "/sys/fs/cgroup/pods/memory.max");
  EXPECT_EQ(found.cores, 1U);
}

TEST_F(MachineTest, WhereAGroupIsThrottledCountsToo) {
  version_2("/one");
  put("/sys/fs/cgroup/one/memory.max", "1073741824\n");
  put("/sys/fs/cgroup/one/memory.high", "805306368\n");
  EXPECT_EQ(look_at_machine(root_).memory, 768 * kMiB);
}

TEST_F(MachineTest, Version1) {
  version_1("/docker/abc");
  put("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "268435456\n");
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  put("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "100000\n");
  put("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
  put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  const Machine found = look_at_machine(root_);
  EXPECT_EQ(found.memory, 256 * kMiB);
  EXPECT_EQ(found.cores, 1U);
}

TEST_F(MachineTest, AContainerThatSeesOnlyItsOwnGroup) {
  // Under the group's name on the host …
  version_1("/docker/abc", "/docker/abc");
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n");
  EXPECT_EQ(look_at_machine(root_).memory, 256 * kMiB);
  // … and in a namespace of its own.
  version_2("/", "/");
  put("/sys/fs/cgroup/memory.max", "134217728\n");
  EXPECT_EQ(look_at_machine(root_).memory, 128 * kMiB);
}

TEST_F(MachineTest, WhatCannotBeReadDoesNotLimit) {
  const unsigned cores = look_at_machine(root_).cores;
  version_2("/gone");
  put("/sys/fs/cgroup/memory.max", "a lot\n");
  put("/sys/fs/cgroup/cpu.max", "0 0\n");
  EXPECT_EQ(look_at_machine(root_).memory, 16384 * kMiB);
  EXPECT_EQ(look_at_machine(root_).cores, cores);
  put("/proc/self/mountinfo", "nonsense\n - \n1 2 3 4 5 - cgroup2\n");
  put("/proc/self/cgroup", "\n:\n::\n");
  EXPECT_EQ(look_at_machine(root_).memory, 16384 * kMiB);
}

TEST_F(MachineTest, TheRealOneIsNotLargerThanTheMachine) {
  const auto pages = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES));
  const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  EXPECT_GT(machine().memory, 0U);
  EXPECT_LE(machine().memory, pages * page_bytes);
  EXPECT_GE(machine().cores, 1U);
}

}  // namespace
}  // namespace flatkv

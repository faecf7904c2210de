// SPDX-License-Identifier: Apache-2.0
// What a measurement says of the machine: a limit that it sets itself, and the device alone.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/machine.hpp"
#include "workloads/device.hpp"
#include "workloads/memory_group.hpp"

namespace flatkv::bench {
namespace {

std::string content(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(MemoryGroup, IsEnteredAndLeftWithoutATrace) {
  constexpr std::uint64_t kBytes = std::uint64_t{512} << 20;
  const std::string before = content("/proc/self/cgroup");
  std::string path;
  {
    auto group = MemoryGroup::enter(kBytes);
    if (!group) {
      EXPECT_EQ(content("/proc/self/cgroup"), before);
      GTEST_SKIP() << group.error().to_string();
    }
    const MemoryGroup moved = *std::move(group);
    path = moved.path();
    EXPECT_TRUE(std::filesystem::exists(path));
    EXPECT_NE(content("/proc/self/cgroup"), before);
    EXPECT_LE(look_at_machine().memory, kBytes);
    ASSERT_TRUE(moved.lift());
    EXPECT_GT(look_at_machine().memory, kBytes);
    ASSERT_TRUE(moved.restore());
    EXPECT_LE(look_at_machine().memory, kBytes);
  }
  EXPECT_EQ(content("/proc/self/cgroup"), before);
  EXPECT_FALSE(std::filesystem::exists(path));
}

class DeviceTest : public ::testing::Test {
 protected:
  DeviceTest() {
    std::string pattern = "flatkv-device-XXXXXX";  // a directory for temporary files may be memory
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  ~DeviceTest() override { std::filesystem::remove_all(directory_); }

  std::string directory_;
};

TEST_F(DeviceTest, ReadsWhatIsThere) {
  std::filesystem::create_directories(directory_ + "/below");
  std::ofstream(directory_ + "/below/file") << std::string(1 << 20, 'x') << std::flush;
  const auto reads = measure_device(directory_, 0.05);
  if (!reads) {
    EXPECT_EQ(reads.error().code, ErrorCode::unsupported) << reads.error().to_string();
    GTEST_SKIP() << reads.error().to_string();
  }
  EXPECT_GT(reads->one, 0);
  EXPECT_GT(reads->many, 0);
}

TEST_F(DeviceTest, WithoutAWholePageThereIsNothingToRead) {
  std::ofstream(directory_ + "/small") << "x" << std::flush;
  const std::vector<std::string> directories = {directory_, directory_ + "/none"};
  for (const std::string& directory : directories) {
    const auto reads = measure_device(directory, 0.05);
    ASSERT_FALSE(reads);
    EXPECT_EQ(reads.error().code, ErrorCode::unsupported);
    EXPECT_EQ(reads.error().path, directory);
  }
}

}  // namespace
}  // namespace flatkv::bench

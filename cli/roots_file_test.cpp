// SPDX-License-Identifier: Apache-2.0
#include "roots_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "test_support.hpp"

namespace flatkv::cli {
namespace {

class RootsFileTest : public testing::Test {
 protected:
  std::unique_ptr<RootsFile> open(const std::string& text) {
    std::ofstream(path_) << text;
    auto file = RootsFile::open(path_, nullptr);
    EXPECT_TRUE(file);
    return file ? std::move(*file) : nullptr;
  }
  void TearDown() override { ::unlink(path_.c_str()); }

  static Roots roots(std::uint8_t byte) {
    Roots roots;
    roots.root.fill(byte);
    roots.storage.fill(byte);
    return roots;
  }

  std::string path_ = temporary("cli_roots_file_test");
};

TEST_F(RootsFileTest, FindsWhatItsOwnLinesSay) {
  auto file = open(roots_line(3, roots(1)) + roots_line(4, roots(2)) + roots_line(6, roots(3)));
  EXPECT_FALSE(*file->find(2));
  EXPECT_EQ(**file->find(3), roots(1));
  EXPECT_EQ(**file->find(4), roots(2));
  EXPECT_FALSE(*file->find(5));
  EXPECT_EQ(**file->find(6), roots(3));
  EXPECT_FALSE(*file->find(7));
  EXPECT_FALSE(*file->find(8));
}

TEST_F(RootsFileTest, LinesBeforeAreSkipped) {
  auto file = open(roots_line(1, roots(1)) + roots_line(2, roots(2)) + roots_line(3, roots(3)));
  EXPECT_EQ(**file->find(3), roots(3));
}

TEST_F(RootsFileTest, RefusesVersionsThatDoNotAscend) {
  auto file = open(roots_line(2, roots(1)) + roots_line(2, roots(2)));
  ASSERT_TRUE(file->find(2));
  const auto found = file->find(3);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().exit, ExitCode::usage);
}

TEST_F(RootsFileTest, RefusesGarbage) {
  auto file = open(roots_line(2, roots(1)) + "{}\n");
  ASSERT_TRUE(file->find(2));
  const auto found = file->find(3);
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("line 2"), std::string::npos);
}

TEST(Differing, NamesTheChecksums) {
  Roots a;
  Roots b;
  b.storage.fill(1);
  EXPECT_EQ(differing(a, a), "");
  EXPECT_TRUE(differing(a, b).starts_with("storage (expected 00"));
}

}  // namespace
}  // namespace flatkv::cli

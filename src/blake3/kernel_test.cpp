// SPDX-License-Identifier: Apache-2.0
#include "blake3/kernel.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "blake3/constants.hpp"
#include "blake3/test_support.hpp"

namespace flatkv::blake3 {
namespace {

using test::kernels;
using test::pattern;
using test::WithKernel;

TEST(Kernel, NamesAreReadBack) {
  for (std::size_t i = 0; i < kKernels; ++i) {
    const auto kernel = static_cast<Kernel>(i);
    const auto parsed = parse_kernel(to_string(kernel));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, kernel);
  }
  const auto wrong = parse_kernel("avx3");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::invalid_argument);
  EXPECT_NE(wrong.error().message.find("avx2"), std::string::npos) << "names the choices";
}

TEST(Kernel, DetectionFindsTheFastestSupported) {
  EXPECT_TRUE(supported(Kernel::portable));
  EXPECT_TRUE(supported(detect()));
  for (const auto kernel : kernels()) EXPECT_LE(kernel, detect());
}

TEST(Kernel, SelectingWhatCannotRunIsRefusedAndChangesNothing) {
  const Kernel before = current();
  int refused = 0;
  for (std::size_t i = 0; i < kKernels; ++i) {
    const auto kernel = static_cast<Kernel>(i);
    if (supported(kernel)) continue;
    const auto status = select(kernel);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::unsupported);
    EXPECT_NE(status.error().message.find(to_string(kernel)), std::string::npos);
    EXPECT_EQ(current(), before);
    ++refused;
  }
  EXPECT_GE(refused, 1) << "no machine has both NEON and AVX2";
}

TEST(Kernel, SelectionTakesEffect) {
  for (const auto kernel : kernels()) {
    const WithKernel with(kernel);
    EXPECT_EQ(current(), kernel);
    EXPECT_EQ(backend().kernel, kernel);
  }
}

// Each kernel leaves an accumulator in its own order, so the order shows which code ran, whatever
// a table of names says.
TEST(Kernel, TheOrderOfTheAccumulatorProvesWhichCodeRan) {
  const Bytes block = pattern(64);
  Term term = {};
  std::memcpy(term.root.cv, kIv, sizeof kIv);
  term.root.block = block.data();
  term.root.block_bytes = 64;
  term.root.flags = kChunkStart | kChunkEnd;

  alignas(64) std::uint32_t natural[kElementWords] = {};
  backend(Kernel::portable).add_terms(&term, 1, natural, nullptr);
  for (const auto kernel : kernels()) {
    SCOPED_TRACE(to_string(kernel));
    std::size_t lanes = 0;
    switch (kernel) {
      case Kernel::portable:
        lanes = 1;
        break;
      case Kernel::sse41:
      case Kernel::neon:
        lanes = 4;
        break;
      case Kernel::avx2:
        lanes = 8;
        break;
      case Kernel::avx512:
        lanes = 16;
        break;
    }
    alignas(64) std::uint32_t sum[kElementWords] = {};
    const WithKernel with(kernel);
    backend().add_terms(&term, 1, sum, nullptr);
    for (std::size_t i = 0; i < kElementWords; ++i) {
      const std::size_t lane = i % lanes;
      const std::size_t word = i / lanes % 16;
      const std::size_t group = i / lanes / 16;
      ASSERT_EQ(sum[i], natural[(group * lanes + lane) * 16 + word]) << i;
    }
  }
}

// Environment variables are read once per process, so each case is a process of its own.
class KernelDeathTest : public testing::Test {
 protected:
  static int code_of(const char* value) {
    (void)::setenv("FLATKV_KERNEL", value, 1);
    const auto status = environment_kernel();
    // Hashing must work whatever was asked for, and never raise SIGILL.
    alignas(64) std::uint32_t sum[kElementWords] = {};
    alignas(64) std::uint16_t limbs[1024] = {};
    backend().settle(sum, false, limbs);
    if (status) return current() == parse_kernel(value).value_or(detect()) ? 0 : 99;
    return 1 + static_cast<int>(status.error().code);
  }
};

TEST_F(KernelDeathTest, EnvironmentChoosesOrIsRefused) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto exits = [](const char* value, int code) {
    EXPECT_EXIT(std::exit(code_of(value)), testing::ExitedWithCode(code), "") << value;
  };
  exits("auto", 0);
  exits("", 0);
  for (const auto kernel : kernels()) exits(std::string(to_string(kernel)).c_str(), 0);
  exits("fastest", 1 + static_cast<int>(ErrorCode::invalid_argument));
  const auto missing = supported(Kernel::neon) ? "avx2" : "neon";
  exits(missing, 1 + static_cast<int>(ErrorCode::unsupported));
}

}  // namespace
}  // namespace flatkv::blake3

// SPDX-License-Identifier: Apache-2.0
#include "blake3/backend.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "blake3/constants.hpp"
#include "blake3/test_support.hpp"

// Every operation of every kernel against the portable one.

namespace flatkv::blake3 {
namespace {

using test::kernels;

class Operations : public testing::TestWithParam<Kernel> {
 protected:
  const Backend& mine_ = backend(GetParam());
  const Backend& reference_ = backend(Kernel::portable);
  std::mt19937_64 random_{11};

  Bytes random_bytes(std::size_t size) {
    Bytes bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random_());
    return bytes;
  }

  Root random_root(const std::uint8_t* block) {
    Root root = {};
    for (auto& word : root.cv) word = static_cast<std::uint32_t>(random_());
    root.block = block;
    root.block_bytes = static_cast<std::uint32_t>(random_() % 65);
    root.flags = static_cast<std::uint32_t>(random_() % 8);
    return root;
  }
};

TEST_P(Operations, Compress) {
  for (int round = 0; round < 500; ++round) {
    const Bytes block = random_bytes(64 + 8);
    const Root root = random_root(block.data() + round % 8);
    const std::uint64_t counter = random_();
    std::uint32_t a[8];
    std::uint32_t b[8];
    std::memcpy(a, root.cv, sizeof a);
    std::memcpy(b, root.cv, sizeof b);
    mine_.compress(a, root.block, root.block_bytes, counter, root.flags);
    reference_.compress(b, root.block, root.block_bytes, counter, root.flags);
    ASSERT_EQ(0, std::memcmp(a, b, sizeof a));
    std::uint8_t c[64];
    std::uint8_t d[64];
    mine_.output(root, counter, c);
    reference_.output(root, counter, d);
    ASSERT_EQ(0, std::memcmp(c, d, sizeof c));
  }
}

TEST_P(Operations, HashManyOfEveryCount) {
  const std::size_t most = 2 * kMaxLanes + 3;
  const Bytes data = random_bytes((most + 1) * kChunkBytes);
  for (std::size_t count = 0; count <= most; ++count) {
    for (const std::size_t blocks : {1U, 2U, 3U, 16U}) {
      for (const bool increment : {false, true}) {
        // The counter crosses from the low into the high word in the middle of the lanes.
        const std::uint64_t counter = 0xFFFF'FFFAU;
        const std::uint8_t* inputs[most + 1];
        for (std::size_t i = 0; i < count; ++i) {
          inputs[i] = data.data() + random_() % (most * kChunkBytes);
        }
        std::uint32_t a[most + 1][8] = {};
        std::uint32_t b[most + 1][8] = {};
        mine_.hash_many(inputs, count, blocks, counter, increment, 4, 1, 2, a);
        reference_.hash_many(inputs, count, blocks, counter, increment, 4, 1, 2, b);
        ASSERT_EQ(0, std::memcmp(a, b, sizeof a)) << count << ' ' << blocks;
      }
    }
  }
}

TEST_P(Operations, AddTermsOfEveryCountAndSign) {
  for (std::size_t count = 0; count <= 40; ++count) {
    const Bytes blocks = random_bytes((count + 1) * 64 + 64);
    std::vector<Term> terms;
    for (std::size_t i = 0; i < count; ++i) {
      terms.push_back({random_root(blocks.data() + i * 64 + i % 64), random_() % 2 == 0});
    }
    alignas(64) std::uint32_t a[2][kElementWords] = {};
    alignas(64) std::uint32_t b[2][kElementWords] = {};
    mine_.add_terms(terms.data(), count, a[0], a[1]);
    reference_.add_terms(terms.data(), count, b[0], b[1]);
    alignas(64) std::uint16_t limbs_a[1024];
    alignas(64) std::uint16_t limbs_b[1024];
    for (std::size_t i = 0; i < 1024; ++i) {
      limbs_a[i] = limbs_b[i] = static_cast<std::uint16_t>(random_());
    }
    for (const bool subtract : {false, true}) {
      mine_.settle(a[subtract ? 1 : 0], subtract, limbs_a);
      reference_.settle(b[subtract ? 1 : 0], subtract, limbs_b);
    }
    ASSERT_EQ(0, std::memcmp(limbs_a, limbs_b, sizeof limbs_a)) << count;
  }
}

// The reference: an element drawn block by block and added limb by limb.
TEST_P(Operations, ATermIsItsOutputAddedLimbByLimb) {
  const Bytes block = random_bytes(64);
  for (const bool subtract : {false, true}) {
    const Term term = {random_root(block.data()), subtract};
    alignas(64) std::uint32_t sum[kElementWords] = {};
    mine_.add_terms(&term, 1, subtract ? nullptr : sum, subtract ? sum : nullptr);
    alignas(64) std::uint16_t limbs[1024];
    for (std::size_t i = 0; i < 1024; ++i) limbs[i] = static_cast<std::uint16_t>(61 * i);
    mine_.settle(sum, subtract, limbs);
    for (std::size_t i = 0; i < kElementBlocks; ++i) {
      std::uint16_t out[32];
      reference_.output(term.root, i, reinterpret_cast<std::uint8_t*>(out));
      for (std::size_t j = 0; j < 32; ++j) {
        const std::size_t limb = 32 * i + j;
        const int value = static_cast<int>(61 * limb) + (subtract ? -1 : 1) * out[j];
        ASSERT_EQ(limbs[limb], static_cast<std::uint16_t>(value)) << limb;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, Operations, testing::ValuesIn(kernels()),
                         [](const auto& kernel) { return std::string(to_string(kernel.param)); });

}  // namespace
}  // namespace flatkv::blake3

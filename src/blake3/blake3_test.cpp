// SPDX-License-Identifier: Apache-2.0
#include "blake3/blake3.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "blake3/test_support.hpp"
#include "blake3/tree.hpp"

namespace flatkv::blake3 {
namespace {

using test::kernels;
using test::pattern;
using test::WithKernel;

Bytes xof(ByteView input, std::uint64_t seek, std::size_t size) {
  Bytes out(size);
  Hasher().update(input).finalize_xof(seek, out);
  return out;
}

class Blake3 : public testing::TestWithParam<Kernel> {
  WithKernel with_{GetParam()};
};

TEST_P(Blake3, PairsOfChunksSideBySide) {
  const Bytes bytes = pattern(2048 + kMostPairs);
  for (std::size_t count = 0; count <= kMostPairs; ++count) {
    std::vector<const std::uint8_t*> inputs;
    for (std::size_t i = 0; i < count; ++i) inputs.push_back(bytes.data() + i);
    std::vector<Digest> digests(count);
    hash_pairs(inputs, digests);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(digests[i], hash({inputs[i], 2048})) << count << ' ' << i;
    }
  }
}

TEST_P(Blake3, GoldenVectors) {
  std::ifstream file(FLATKV_SOURCE_DIR "/tests/golden/blake3.jsonl");
  std::string line;
  int lines = 0;
  while (std::getline(file, line)) {
    const auto expected = nlohmann::json::parse(line);
    const Bytes input = pattern(expected.at("input_len").get<std::size_t>());
    SCOPED_TRACE(input.size());
    EXPECT_EQ(to_hex(hash(input)), expected.at("hash").get<std::string>());
    EXPECT_EQ(to_hex(Hasher().update(input).finalize()), expected.at("hash").get<std::string>());
    EXPECT_EQ(to_hex(xof(input, 0, 131)), expected.at("xof_131").get<std::string>());
    EXPECT_EQ(to_hex(hash(xof(input, 0, 2048))),
              expected.at("hash_of_xof_2048").get<std::string>());
    EXPECT_EQ(to_hex(xof(input, 1000, 100)), expected.at("xof_at_1000_len_100").get<std::string>());
    ++lines;
  }
  EXPECT_EQ(lines, 36);
}

TEST_P(Blake3, EqualsPortableOnEveryLength) {
  const Bytes input = pattern(5001);
  for (std::size_t size = 0; size <= 5000; ++size) {
    const ByteView view(input.data() + size % 2, size);  // both alignments
    const Digest mine = hash(view);
    const WithKernel portable(Kernel::portable);
    ASSERT_EQ(mine, hash(view)) << size;
  }
}

TEST_P(Blake3, EqualsPortableOnLargeInputs) {
  const Bytes input = pattern(3'300'000);
  for (const std::size_t size : {65535U, 65536U, 65537U, 66560U, 66561U, 131072U, 131073U, 196609U,
                                 999999U, 1048576U, 1048577U, 3300000U}) {
    const ByteView view(input.data(), size);
    const Digest mine = hash(view);
    const Digest incremental = Hasher().update(view).finalize();
    const WithKernel portable(Kernel::portable);
    EXPECT_EQ(mine, hash(view)) << size;
    EXPECT_EQ(mine, incremental) << size;
  }
}

TEST_P(Blake3, AnySplitOfTheInputGivesTheSameHash) {
  std::mt19937 random(7);
  const Bytes input = pattern(400'000);
  for (int round = 0; round < 200; ++round) {
    const std::size_t size = random() % (round % 4 == 0 ? input.size() : 9000);
    const Digest whole = hash({input.data(), size});
    Hasher hasher;
    std::size_t done = 0;
    while (done < size) {
      const std::size_t piece =
          std::min<std::size_t>(size - done, random() % (1U << (random() % 18)));
      hasher.update({input.data() + done, piece});
      done += piece;
    }
    ASSERT_EQ(hasher.finalize(), whole) << size;
    ASSERT_EQ(hasher.finalize(), whole) << "finalize must not change the hasher";
  }
}

TEST_P(Blake3, AHeadAndABodyAreHashedAsOneInput) {
  const Bytes bytes = pattern(1500 + 70'000);
  for (const std::size_t head : {0U, 1U, 40U, 63U, 64U, 65U, 1023U, 1024U, 1025U, 1500U}) {
    for (const std::size_t body : {0U, 1U, 64U, 983U, 984U, 985U, 1023U, 1024U, 1025U, 2048U,
                                   65'495U, 65'496U, 65'536U, 70'000U}) {
      const ByteView input(bytes.data(), head + body);
      OwnedRoot root;
      find_root(backend(), input.first(head), input.subspan(head), root);
      EXPECT_EQ(digest_of(backend(), root.root), hash(input)) << head << ' ' << body;
    }
  }
}

TEST_P(Blake3, OutputCanBeReadFromAnywhere) {
  const Bytes input = pattern(2500);
  const Bytes whole = xof(input, 0, 5000);
  std::mt19937 random(8);
  for (int round = 0; round < 500; ++round) {
    const std::size_t seek = random() % 4500;
    const std::size_t size = random() % (5000 - seek);
    ASSERT_TRUE(std::ranges::equal(xof(input, seek, size), ByteView(whole).subspan(seek, size)))
        << seek << ' ' << size;
  }
}

// The block counter has 64 bits: its upper half must reach the compression.
TEST_P(Blake3, OutputFarBeyondTheFirst32BitsOfTheCounter) {
  const Bytes input = pattern(100);
  const std::uint64_t far = (std::uint64_t{1} << 38) - 64;
  const Bytes across = xof(input, far, 128);
  EXPECT_EQ(xof(input, far + 64, 64), Bytes(across.begin() + 64, across.end()));
  EXPECT_NE(xof(input, far + 64, 64), xof(input, 0, 64));
  const WithKernel portable(Kernel::portable);
  EXPECT_EQ(across, xof(input, far, 128));
}

// Both a copied hasher and its original go on independently.
TEST_P(Blake3, HashersAreValues) {
  const Bytes input = pattern(10'000);
  Hasher one;
  one.update({input.data(), 4096});
  Hasher two = one;
  one.update({input.data() + 4096, 5904});
  two.update({input.data() + 4096, 1});
  EXPECT_EQ(one.finalize(), hash(input));
  EXPECT_EQ(two.finalize(), hash({input.data(), 4097}));
}

INSTANTIATE_TEST_SUITE_P(Kernels, Blake3, testing::ValuesIn(kernels()),
                         [](const auto& kernel) { return std::string(to_string(kernel.param)); });

}  // namespace
}  // namespace flatkv::blake3

// SPDX-License-Identifier: Apache-2.0
#include "flatkv/lthash.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "blake3/blake3.hpp"
#include "blake3/test_support.hpp"
#include "lthash/batch.hpp"

namespace flatkv {
namespace {

LtHash random_vector(std::mt19937& random) {
  LtHash result;
  for (auto& limb : result.limbs()) limb = static_cast<std::uint16_t>(random());
  return result;
}

TEST(LtHash, ChecksumOfNothing) {
  EXPECT_EQ(to_hex(LtHash().checksum()),
            "be2a8de3dcf46c94ce85cdc8e07ac308f4d8a95490d956c38d780fd610db0813");
}

TEST(LtHash, GoldenElements) {
  for (const auto kernel : blake3::test::kernels()) {
    const blake3::test::WithKernel with(kernel);
    std::ifstream file(FLATKV_SOURCE_DIR "/tests/golden/lthash_elements.jsonl");
    std::string line;
    int lines = 0;
    while (std::getline(file, line)) {
      SCOPED_TRACE(line);
      const auto expected = nlohmann::json::parse(line);
      Bytes key(expected.at("key_len").get<std::size_t>());
      Bytes value(expected.at("value_len").get<std::size_t>());
      for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(7 * i % 251);
      for (std::size_t i = 0; i < value.size(); ++i) {
        value[i] = static_cast<std::uint8_t>((7 * i + 3) % 251);
      }
      const LtHash element = lthash::element(key, value);
      for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(element.limbs()[i], expected.at("first_limbs").at(i).get<int>());
      }
      EXPECT_EQ(element.limbs()[1023], expected.at("last_limb").get<int>());
      EXPECT_EQ(to_hex(element.checksum()), expected.at("checksum").get<std::string>());
      ++lines;
    }
    EXPECT_GE(lines, 20);
  }
}

TEST(LtHash, AdditionCommutesAssociatesAndInverts) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    const LtHash a = random_vector(random);
    const LtHash b = random_vector(random);
    const LtHash c = random_vector(random);
    EXPECT_EQ(a + b, b + a);
    EXPECT_EQ((a + b) + c, a + (b + c));
    EXPECT_EQ(a + b - b, a);
    EXPECT_EQ(a - a, LtHash());
    EXPECT_EQ(a + LtHash(), a);
  }
}

TEST(LtHash, SerializedLimbsAreLittleEndianAndReadBack) {
  LtHash vector;
  vector.limbs()[0] = 0x1234;
  vector.limbs()[1023] = 0xABCD;
  const auto bytes = vector.serialize();
  EXPECT_EQ(bytes[0], 0x34);
  EXPECT_EQ(bytes[1], 0x12);
  EXPECT_EQ(bytes[2046], 0xCD);
  EXPECT_EQ(bytes[2047], 0xAB);
  std::mt19937 random(2);
  const LtHash other = random_vector(random);
  EXPECT_EQ(LtHash::deserialize(other.serialize()), other);
  EXPECT_EQ(other.checksum(), blake3::hash(other.serialize()));
}

}  // namespace
}  // namespace flatkv

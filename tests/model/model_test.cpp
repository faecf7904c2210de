// SPDX-License-Identifier: Apache-2.0
// The model itself against traces of an independent implementation: a wrong model would hide a
// wrong store.
#include "support/model.hpp"

#include <gtest/gtest.h>

#include "support/checks.hpp"
#include "support/plain_blake3.hpp"
#include "support/trace.hpp"

namespace flatkv::test {
namespace {

void follow(const std::string& trace, const std::string& roots_file, AccountRows mode) {
  const std::vector<RootsLine> expected = read_roots(golden(roots_file));
  Model model(mode);
  std::size_t at = 0;
  for_each_block(golden(trace), [&](const TraceBlock& block) {
    if (::testing::Test::HasFailure()) return;
    for (const Changes& changes : block.applies) ASSERT_TRUE(model.apply(changes));
    model.commit();
    ASSERT_LT(at, expected.size());
    ASSERT_EQ(model.version(), expected[at].version);
    ASSERT_TRUE(same_roots(model.committed().roots(), expected[at].roots))
        << trace << " " << block.version;
    ++at;
  });
  EXPECT_EQ(at, expected.size());
  EXPECT_EQ(model.committed().roots(), model.committed().roots_by_scan());
}

TEST(Model, FollowsTheOracle) {
  follow("edge.jsonl", "edge.roots.jsonl", AccountRows::keep);
  follow("accounts.jsonl", "accounts.roots.jsonl", AccountRows::keep);
  follow("mixed.jsonl", "mixed.roots.jsonl", AccountRows::keep);
  follow("metakeys.jsonl", "metakeys.roots.jsonl", AccountRows::keep);
}

TEST(Model, FollowsTheOracleInBothAccountModes) {
  follow("balances.jsonl", "balances.roots.jsonl", AccountRows::keep);
  follow("balances.jsonl", "balances.prune_empty.roots.jsonl", AccountRows::prune_empty);
}

TEST(Model, PlainBlake3OfManyChunks) {
  // The checksum of the zero hash (docs/specification.md#lattice-hash); then longer output begins
  // with the shorter.
  EXPECT_EQ(to_hex(plain_blake3(Bytes(2048))),
            "be2a8de3dcf46c94ce85cdc8e07ac308f4d8a95490d956c38d780fd610db0813");
  for (const std::size_t size : {0UL, 1UL, 64UL, 65UL, 1024UL, 1025UL, 3072UL, 5000UL, 70000UL}) {
    Bytes input(size);
    for (std::size_t i = 0; i < size; ++i) input[i] = static_cast<std::uint8_t>(i % 251);
    Bytes out(131);
    plain_blake3_xof(input, out);
    const Digest short_one = plain_blake3(input);
    EXPECT_TRUE(std::equal(short_one.begin(), short_one.end(), out.begin()));
  }
}

TEST(Model, InvalidInputChangesNothing) {
  Model model;
  const Address owner = address(1);
  ASSERT_TRUE(model.apply(Changes().nonce(owner, 5)));
  const Roots before = model.working().roots();
  EXPECT_FALSE(model.apply(Changes().nonce(owner, 6).set({}, bytes({1}))));
  EXPECT_FALSE(model.apply(Changes().nonce(owner, 6).set(balance_key(owner), bytes({1}))));
  EXPECT_FALSE(model.apply(Changes().module("").set(bytes({1}), bytes({1}))));
  EXPECT_EQ(model.working().roots(), before);
}

}  // namespace
}  // namespace flatkv::test

// SPDX-License-Identifier: Apache-2.0
// The mainnet blocks written by account and slot: every payload is that of the hand-written keys,
// byte for byte, and so every root is that of the other implementation.
#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "base/endian.hpp"
#include "flatkv/block_builder.hpp"
#include "flatkv/tools/inspect.hpp"
#include "support/checks.hpp"
#include "support/files.hpp"
#include "support/trace.hpp"

namespace flatkv::test {
namespace {

template <class Array>
Array part(ByteView bytes, std::size_t offset) {
  Array array{};
  if (bytes.size() >= offset + array.size()) {
    std::ranges::copy(bytes.subspan(offset, array.size()), array.begin());
  }
  return array;
}

/// The typed call for a pair; the value of a removal is zero.
void write(BlockBuilder& block, const Changes::Pair& pair) {
  const auto address = part<Address>(pair.key, 1);
  const auto word = part<Word>(pair.value, 0);
  switch (pair.key.front()) {
    case kNoncePrefix:
      block.set_nonce(address, pair.remove ? 0 : load_be<std::uint64_t>(pair.value.data()));
      break;
    case kBalancePrefix:
      block.set_balance(address, word);
      break;
    case kCodeHashPrefix:
      block.set_code_hash(address, word);
      break;
    case kStoragePrefix:
      block.set_storage(address, part<Slot>(pair.key, 21), word);
      break;
    default:
      FAIL() << "no such key in the mainnet blocks: " << to_hex(pair.key);
  }
}

TEST(BlockBuilderGolden, MainnetBlocksAreTheSameBytesAndRoots) {
  const TempDir directory;
  const std::vector<RootsLine> expected = read_roots(golden("mainnet.roots.jsonl"));
  Options options = small_options();
  options.create_if_missing = true;
  options.strict = true;
  auto store = CommitStore::open(directory.path("store"), options);
  ASSERT_OK(store);
  BlockBuilder block;
  std::size_t at = 0;
  for_each_block(golden("mainnet.jsonl"), [&](const TraceBlock& trace) {
    ASSERT_LT(at, expected.size());
    for (const Changes& changes : trace.applies) {
      block.clear();
      for (const Changes::Set& set : changes.all()) {
        for (const Changes::Pair& pair : set.pairs) write(block, pair);
      }
      EXPECT_EQ(block_digest(trace.version, block).value(),
                block_digest(trace.version, changes.sets()).value());
      ASSERT_OK(store->apply(block));
    }
    const auto roots = store->commit(trace.version);
    ASSERT_OK(roots);
    EXPECT_TRUE(same_roots(*roots, expected[at++].roots)) << "version " << trace.version;
  });
  EXPECT_EQ(at, expected.size());
}

}  // namespace
}  // namespace flatkv::test

// SPDX-License-Identifier: Apache-2.0
#include "flatkv/block_builder.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

#include <functional>
#include <set>

#include "base/bytes.hpp"
#include "base/reuse.hpp"
#include "base/test_support.hpp"
#include "store/test_store.hpp"

namespace flatkv::store {
namespace {

const Address kAlice = Block::address(0xa1);
const Address kToken = Block::address(0xb2);

/// A write as one line: the key in hex, then the value or "removed".
std::vector<std::string> lines_of(const BlockBuilder& block) {
  std::vector<std::string> lines;
  for (const NamedChangeSet& set : block.change_sets()) {
    EXPECT_EQ(set.name, kEvmModule);
    for (const KVPair& pair : set.pairs) {
      lines.push_back(to_hex(pair.key) + " " + (pair.remove ? "removed" : to_hex(pair.value)));
    }
  }
  return lines;
}

std::string repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(BlockBuilder, WritesTheKeysOfTheSpecification) {
  Address address;
  address.fill(0x11);
  Slot slot;
  slot.fill(0x22);
  Word hash;
  hash.fill(0x33);
  const std::string hex_address = repeated("11", 20);
  BlockBuilder block;
  block.set_nonce(address, 0x0102)
      .set_balance(address, to_word(0xabcdef))
      .set_storage(address, slot, to_word(7))
      .set_code(address, Bytes{0x60, 0x00}, hash)
      .set_code_hash(address, hash);
  EXPECT_EQ(lines_of(block),
            (std::vector<std::string>{
                "0a" + hex_address + " 0000000000000102",
                "21" + hex_address + " " + repeated("00", 29) + "abcdef",
                "03" + hex_address + repeated("22", 32) + " " + repeated("00", 31) + "07",
                "07" + hex_address + " 6000",
                "08" + hex_address + " " + repeated("33", 32),
                "08" + hex_address + " " + repeated("33", 32),
            }));
}

TEST(BlockBuilder, ZeroIsARemoval) {
  BlockBuilder block;
  block.set_nonce(kAlice, 0)
      .set_balance(kAlice, {})
      .set_storage(kAlice, to_word(1), {})
      .set_code(kAlice, {});
  const std::vector<std::string> lines = lines_of(block);
  ASSERT_EQ(lines.size(), 5U);
  for (const std::string& line : lines) EXPECT_TRUE(line.ends_with(" removed")) << line;
}

TEST(BlockBuilder, ANumberIsAWord) {
  EXPECT_EQ(to_word(0), Word{});
  EXPECT_EQ(to_hex(to_word(~0ULL)), repeated("00", 24) + repeated("ff", 8));
  EXPECT_EQ(to_hex(to_word(0x100)), repeated("00", 30) + "0100");
}

TEST(BlockBuilder, CodeGetsItsHash) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s");
  const Bytes code{0x60, 0x00, 0x60, 0x00, 0xf3};
  must(store.apply(BlockBuilder().set_code(kToken, code)));
  must(store.commit(1));
  const ReadView view = must(store.view());
  EXPECT_EQ(must(view.code(kToken)), code);
  // Of PyCryptodome.
  EXPECT_EQ(to_hex(must(view.account(kToken))->code_hash),
            "d003426e799329b8dca093f3bbab55a5e4e9f3c40160fc942068eef712ae88ad");
  must(store.apply(BlockBuilder().set_code(kToken, {})));
  must(store.commit(2));
  EXPECT_EQ(must(must(store.view()).code(kToken)), std::nullopt);
  EXPECT_EQ(must(must(store.view()).account(kToken))->code_hash, Word{});
  expect_verified(store);
}

TEST(BlockBuilder, ABlockIsTheOneOfHandWrittenKeys) {
  const TempDir dir;
  CommitStore built = open_new(dir / "built");
  CommitStore written = open_new(dir / "written");
  must(built.apply(BlockBuilder()
                       .set_nonce(kAlice, 1)
                       .set_balance(kAlice, to_word(500))
                       .set_storage(kToken, Block::slot_index(3), to_word(9))));
  must(Block()
           .set(to_bytes(nonce_key(kAlice)), {0, 0, 0, 0, 0, 0, 0, 1})
           .set(to_bytes(balance_key(kAlice)), Block::word(500))
           .set(to_bytes(storage_key(kToken, Block::slot_index(3))), Block::word(9))
           .apply(written));
  EXPECT_EQ(must(built.commit(1)), must(written.commit(1)));
  EXPECT_EQ(must(built.log_record(1))->payload_digest, must(written.log_record(1))->payload_digest);
}

TEST(BlockBuilder, RemovingAnAccountLeavesItsSlots) {
  const TempDir dir;
  Options options;
  options.create.account_rows = AccountRows::prune_empty;
  CommitStore store = open_new(dir / "s", options);
  must(store.apply(BlockBuilder()
                       .set_nonce(kToken, 1)
                       .set_balance(kToken, to_word(1))
                       .set_code(kToken, Bytes{0xfe})
                       .set_storage(kToken, to_word(1), to_word(1))));
  must(store.commit(1));
  must(store.apply(BlockBuilder().remove_account(kToken)));
  must(store.commit(2));
  const ReadView view = must(store.view());
  EXPECT_EQ(must(view.account(kToken)), std::nullopt);
  EXPECT_EQ(must(view.code(kToken)), std::nullopt);
  EXPECT_EQ(must(view.storage(kToken, to_word(1))), Block::word(1));
}

TEST(BlockBuilder, SlotsGoWhereverTheyAre) {
  const TempDir dir;
  Address above = kToken;
  ++above.back();
  Address below = kToken;
  --below.back();
  CommitStore store = open_new(dir / "s");
  BlockBuilder first;
  for (unsigned i = 0; i < 300; ++i) first.set_storage(kToken, Block::slot_index(i), to_word(5));
  for (const Address& other : {above, below, kAlice}) first.set_storage(other, {}, to_word(6));
  must(store.apply(first));
  must(store.commit(1));
  must(store.flush());
  must(store.apply(BlockBuilder().set_storage(kToken, to_word(1000), to_word(1))));  // pending
  BlockBuilder block;
  block.set_storage(kToken, to_word(2000), to_word(1));  // in the builder alone
  must(block.remove_account_and_storage(kToken, store));
  block.set_storage(kToken, to_word(7), to_word(8));  // of the account that comes after it
  must(store.apply(block));
  must(store.commit(2));
  RowIterator rows = must(must(store.view()).iterate(Database::storage));
  std::vector<std::string> left;
  for (; rows.valid(); rows.next()) left.push_back(to_hex(rows.key().first(20)));
  must(rows.status());
  std::vector<std::string> expected{to_hex(below), to_hex(kToken), to_hex(above), to_hex(kAlice)};
  std::ranges::sort(expected);
  EXPECT_EQ(left, expected);
  EXPECT_EQ(must(must(store.view()).storage(kToken, to_word(7))), Block::word(8));
  expect_verified(store);
}

TEST(BlockBuilder, ASlotThatWasWrittenTwiceIsRemovedOnce) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s");
  must(store.apply(BlockBuilder().set_storage(kToken, to_word(2), to_word(1))));
  must(store.commit(1));
  BlockBuilder block;
  for (const unsigned slot : {3U, 1U, 3U, 2U, 1U}) {
    block.set_storage(kToken, to_word(slot), to_word(9));
  }
  must(block.remove_account_and_storage(kToken, store));
  const auto lines = lines_of(block);
  ASSERT_EQ(lines.size(), 5U + 4 + 3);
  for (unsigned slot = 1; slot <= 3; ++slot) {
    EXPECT_EQ(lines[8 + slot], to_hex(storage_key(kToken, to_word(slot))) + " removed");
  }
}

TEST(BlockBuilder, OfWhatTheBuilderHasOnlySlotsOfTheAccountAreRemoved) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s");
  const Bytes slot = to_bytes(storage_key(kToken, to_word(1)));
  const Bytes longer(slot.size() + 1, kStoragePrefix);
  const Bytes shorter{kStoragePrefix};
  const std::vector<KVPair> pairs = {{slot, slot, false}};
  const std::vector<KVPair> legacy = {{longer, slot, false}, {shorter, slot, false}};
  const std::vector<NamedChangeSet> sets = {{"bank", pairs}, {kEvmModule, legacy}};
  BlockBuilder block = BlockBuilder::from_changes(sets);
  block.set_storage(kToken, to_word(2), {}).set_storage(kAlice, to_word(3), to_word(1));
  block.set_storage(kToken, to_word(4), to_word(1)).set_storage(kToken, to_word(4), {});
  must(block.remove_account_and_storage(kToken, store));
  const auto& all = block.change_sets().back().pairs;
  std::vector<std::string> removed;
  for (const KVPair& pair : all.last(all.size() - 6)) {
    EXPECT_TRUE(pair.remove);
    removed.push_back(to_hex(pair.key));
  }
  // Slot 2 was only removed; slot 4 was set, whatever came after that.
  EXPECT_EQ(removed,
            (std::vector<std::string>{to_hex(nonce_key(kToken)), to_hex(balance_key(kToken)),
                                      to_hex(code_hash_key(kToken)), to_hex(code_key(kToken)),
                                      to_hex(storage_key(kToken, to_word(4)))}));
}

TEST(BlockBuilder, WithoutMemoryACallWritesAllOrNothing) {
  FLATKV_NEEDS_FAILING_NEW();
  const Bytes code(70'000, 1);
  const std::pair<const char*, std::function<void(BlockBuilder&)>> calls[] = {
      {"set_nonce", [](BlockBuilder& block) { block.set_nonce(kToken, 7); }},
      {"set_balance", [](BlockBuilder& block) { block.set_balance(kToken, to_word(7)); }},
      {"set_storage", [](BlockBuilder& block) { block.set_storage(kToken, {}, to_word(7)); }},
      {"set_code", [&](BlockBuilder& block) { block.set_code(kToken, code); }},
      {"set_code with its hash", [&](BlockBuilder& block) { block.set_code(kToken, code, {}); }},
      {"set_code_hash", [](BlockBuilder& block) { block.set_code_hash(kToken, to_word(7)); }},
      {"remove_account", [](BlockBuilder& block) { block.remove_account(kToken); }},
  };
  const auto begin = [](unsigned writes, bool bank) {
    const std::vector<NamedChangeSet> sets(bank ? 1 : 0, {"bank", {}});
    BlockBuilder block = BlockBuilder::from_changes(sets);
    for (unsigned i = 0; i < writes; ++i)
      block.set_storage(kAlice, Block::slot_index(i), to_word(1));
    return block;
  };
  const auto lines = [](const BlockBuilder& block) {
    std::vector<std::string> found;
    for (const NamedChangeSet& set : block.change_sets()) {
      for (const KVPair& pair : set.pairs) {
        found.push_back(std::string(set.name) + to_hex(pair.key) +
                        (pair.remove ? "-" : to_hex(pair.value)));
      }
    }
    return found;
  };
  for (const auto& [name, call] : calls) {
    for (const unsigned writes : {0U, 1U, 3U, 4U}) {
      for (const bool bank : {false, true}) {
        SCOPED_TRACE(name);
        BlockBuilder block = begin(writes, bank);
        const auto before = lines(block);
        BlockBuilder other = begin(writes, bank);
        call(other);
        std::int64_t allocations = 0;
        for (; test::lacks_memory(allocations, [&] { call(block); }); ++allocations) {
          ASSERT_EQ(lines(block), before) << allocations;
          ASSERT_LT(allocations, 100);
        }
        EXPECT_EQ(lines(block), lines(other));
        block.set_nonce(kAlice, 1);  // and it goes on
        other.set_nonce(kAlice, 1);
        EXPECT_EQ(lines(block), lines(other));
      }
    }
  }
}

TEST(BlockBuilder, AViewShowsTheSlotsOfItsVersion) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s");
  must(store.apply(BlockBuilder().set_storage(kToken, to_word(1), to_word(1))));
  must(store.commit(1));
  const ReadView old = must(store.view());
  must(store.apply(BlockBuilder().set_storage(kToken, to_word(2), to_word(1))));
  must(store.commit(2));
  BlockBuilder block;
  must(block.remove_account_and_storage(kToken, old));
  EXPECT_EQ(block.change_sets()[0].pairs.size(), 5U);  // four fields and one slot
}

TEST(BlockBuilder, AWalkThatFailsWritesNothing) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s");
  must(store.close());
  BlockBuilder block;
  block.set_nonce(kAlice, 1);
  const Status refused = block.remove_account_and_storage(kAlice, store);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::store_failed);
  EXPECT_EQ(lines_of(block).size(), 1U);
}

TEST(BlockBuilder, KeepsChangesAsTheyAre) {
  const Bytes legacy{0xee, 1};
  const Bytes nonce = to_bytes(nonce_key(kAlice));
  const std::vector<KVPair> pairs = {{legacy, {}, false}, {nonce, legacy, true}};
  const std::vector<NamedChangeSet> sets = {{kEvmModule, pairs}, {"bank", pairs}, {kEvmModule, {}}};
  BlockBuilder block = BlockBuilder::from_changes(sets);
  block.set_nonce(kAlice, 3);
  const auto kept = block.change_sets();
  ASSERT_EQ(kept.size(), 3U);
  EXPECT_EQ(kept[1].name, "bank");
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(kept[i].pairs.size(), 2U);
    EXPECT_TRUE(equal(kept[i].pairs[0].key, legacy));
    EXPECT_FALSE(kept[i].pairs[0].remove);
    EXPECT_TRUE(kept[i].pairs[0].value.empty());
    EXPECT_TRUE(kept[i].pairs[1].remove);
  }
  ASSERT_EQ(kept[2].pairs.size(), 1U);  // typed writes go into a set of `evm`
}

TEST(BlockBuilder, WhatApplyRefusesItRefusesWhole) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s");
  const Bytes large((64U << 20) + 1, 1);
  const Status refused =
      store.apply(BlockBuilder().set_nonce(kAlice, 1).set_code(kToken, large, to_word(1)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_FALSE(store.has_pending());
}

TEST(BlockBuilder, WritesIntoTheSameMemoryAgain) {
  BlockBuilder block;
  const auto fill = [&] {
    std::set<const std::uint8_t*> places;
    for (unsigned i = 0; i < 3000; ++i) block.set_storage(kToken, Block::slot_index(i), to_word(1));
    for (const KVPair& pair : block.change_sets()[0].pairs) places.insert(pair.key.data());
    return places;
  };
  const auto before = fill();
  for (int round = 0; round < 3; ++round) {
    block.clear();
    EXPECT_EQ(fill(), before);
  }
}

TEST(BlockBuilder, KeepsOnlyTheMemoryOfOrdinaryBlocks) {
  const auto used = [] {
    const auto now = ::mallinfo2();
    return now.uordblks + now.hblkhd;
  };
  {
    const std::size_t before = used();
    const Bytes some(1U << 20);
    if (used() < before + some.size()) GTEST_SKIP() << "a sanitizer's memory is not counted";
  }
  // What a builder keeps of a block of so many values of that size.
  const auto kept = [&](std::size_t values, std::size_t bytes) {
    const Bytes code(bytes, 1);
    const std::size_t before = used();
    BlockBuilder block;
    for (std::size_t i = 0; i < values; ++i) block.set_code(kToken, code, to_word(1));
    EXPECT_GT(used(), before + values * bytes);
    block.clear();
    return used() - before;
  };
  constexpr std::size_t kPart = 64U << 10;  // is filled with the writes as they come
  // The keys have parts of their own.
  EXPECT_GT(kept(10, kPart), 19 * kPart);
  EXPECT_GT(kept(10, 2 * kPart - 1000), 29 * kPart);
  EXPECT_LT(kept(10, 2 * kPart + 1000), 13 * kPart);
  EXPECT_LT(kept(1, 100 * kPart), 4 * kPart);
  const std::size_t of_many = kept(2 * kMostReused / kPart, kPart - 200);
  EXPECT_GT(of_many, kMostReused - 2 * kPart);
  EXPECT_LT(of_many, kMostReused + 4 * kPart);
}

TEST(BlockBuilder, IsUsedAgainAndMoved) {
  BlockBuilder block;
  EXPECT_TRUE(block.empty());
  for (unsigned round = 0; round < 3; ++round) {
    for (unsigned i = 0; i < 5000; ++i) block.set_storage(kToken, Block::slot_index(i), to_word(1));
    block.set_code(kToken, Bytes(200'000, static_cast<std::uint8_t>(round + 1)));
    EXPECT_FALSE(block.empty());
    const BlockBuilder moved = std::move(block);
    ASSERT_EQ(moved.change_sets().size(), 1U);
    const auto pairs = moved.change_sets()[0].pairs;
    ASSERT_EQ(pairs.size(), 5002U);
    for (unsigned i = 0; i < 5000; ++i) ASSERT_TRUE(equal(pairs[i].key, Block::slot_key(0xb2, i)));
    EXPECT_EQ(pairs[5000].value.back(), round + 1);
    block = BlockBuilder::from_changes(moved);
    block.clear();
    EXPECT_TRUE(block.empty());
  }
}

}  // namespace
}  // namespace flatkv::store

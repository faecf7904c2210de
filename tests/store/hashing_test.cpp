// SPDX-License-Identifier: Apache-2.0
// How a block changes the hashes: inserts, updates, deletes, several applies in one block, failed
// applies, and rows that could be mistaken for each other.
#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "base/failpoint.hpp"
#include "support/fault_counts.hpp"
#include "support/plain_blake3.hpp"
#include "support/store_fixture.hpp"
#include "support/trace.hpp"

namespace flatkv::test {
namespace {

class Hashing : public StoreFixture {
 protected:
  void SetUp() override { open(); }

  /// Applies each set to store and model; the working roots must agree after each.
  void in_steps(const std::vector<Changes>& applies) {
    for (const Changes& changes : applies) {
      ASSERT_OK(store_->apply(changes));
      ASSERT_TRUE(model_.apply(changes));
      ASSERT_TRUE(same_roots(store_->working_roots().value(), model_.working().roots()));
    }
    model_.commit();
    ASSERT_OK(store_->commit(model_.version()));
    check();
  }
};

/// Writes of all kinds. In large numbers, their rows are hashed while old values are still being
/// read.
Changes many_writes(Random& random, std::size_t count) {
  Changes changes;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t row = random() % 700;
    const auto value = static_cast<std::uint8_t>(random() % 4);
    switch (random() % 8) {
      case 0:
        changes.nonce(address(row), random() % 3);
        break;
      case 1:
        changes.set(text("legacy " + std::to_string(row)), Bytes(random() % 50, value));
        break;
      case 2:
        changes.set(to_bytes(code_key(address(row))), Bytes(random() % 3000, value));
        break;
      case 3:
        changes.remove(to_bytes(storage_key(address(1), slot(row))));
        break;
      default:  // often the value that the row already has
        changes.storage(address(1), slot(row), Bytes(32, value));
        break;
    }
  }
  return changes;
}

const char* const kZeroRoot = "be2a8de3dcf46c94ce85cdc8e07ac308f4d8a95490d956c38d780fd610db0813";

TEST_F(Hashing, EmptyStoreHasTheZeroRoot) {
  EXPECT_EQ(store_->version(), 0);
  EXPECT_EQ(to_hex(store_->root_hash().value()), kZeroRoot);
  check();
}

TEST_F(Hashing, IncrementalEqualsFullScan) {
  for (int i = 0; i < 20 && !HasFatalFailure(); ++i) {
    blocks(2);
    check();
    EXPECT_EQ(model_.committed().roots(), model_.committed().roots_by_scan());
  }
}

TEST_F(Hashing, SumEqualsGlobal) {
  blocks(10);
  LtHash sum;
  for (const Database database : kDataDatabases) sum += store_->working_hash(database).value();
  EXPECT_EQ(sum.checksum(), store_->root_hash().value());
  const auto view = store_->view();
  ASSERT_OK(view);
  LtHash committed;
  for (const Database database : kDataDatabases) committed += view->hash(database);
  EXPECT_EQ(committed.checksum(), view->roots().root);
  EXPECT_EQ(committed, sum);
}

TEST_F(Hashing, EmptyBlocks) {
  blocks(5);
  const Roots before = store_->committed_roots();
  for (int i = 0; i < 5; ++i) block({});
  block({Changes()});
  block({Changes().module("evm")});
  EXPECT_EQ(store_->committed_roots(), before);
  reopen();
  EXPECT_EQ(store_->version(), 12);
  EXPECT_EQ(store_->committed_roots(), before);
  check_and_go_on();
}

TEST_F(Hashing, LargeBlocksInOneCallAndInSeveral) {
  Random random(17);
  for (int i = 0; i < 12 && !HasFatalFailure(); ++i) {
    // The next call, large or small, writes rows that an earlier one has touched.
    in_steps({many_writes(random, 900), many_writes(random, 300), many_writes(random, 20),
              many_writes(random, 400)});
    // Without asking for the roots in between.
    const std::vector<Changes> applies = {many_writes(random, 500), many_writes(random, 500)};
    ASSERT_TRUE(commit_both(*store_, model_, applies));
    if (i % 4 == 3) check_and_go_on();
  }
}

TEST_F(Hashing, LargeCallsThatAreRefusedOrDroppedLeaveNothing) {
  // So that a call has to read tables, where it can fail.
  options_.cache.row_cache_bytes = options_.cache.key_filter_bytes = 0;
  reopen();
  Random random(18);
  unsigned failed = 0;
  for (int i = 0; i < 10 && !HasFatalFailure(); ++i) {
    ASSERT_OK(store_->apply(many_writes(random, 800)));
    store_->discard();
    ASSERT_TRUE(same_roots(store_->working_roots().value(), model_.committed().roots()));

    const Changes first = many_writes(random, 600);
    ASSERT_OK(store_->apply(first));
    ASSERT_TRUE(model_.apply(first));
    ASSERT_TRUE(
        fails(store_->apply(many_writes(random, 600).set(bytes({0x0a}), Bytes(7, 1)).set({}, {})),
              ErrorCode::invalid_argument));
    failpoint::arm("apply.values_read", [] { return fail(ErrorCode::io, "injected"); });
    // Reached only if a table must be read.
    const Changes second = many_writes(random, 600);
    const Status applied = store_->apply(second);
    failpoint::disarm_all();
    if (applied) {
      ASSERT_TRUE(model_.apply(second));
    }
    failed += applied ? 0U : 1U;
    ASSERT_TRUE(same_roots(store_->working_roots().value(), model_.working().roots()));
    model_.commit();
    ASSERT_OK(store_->commit(model_.version()));
    ASSERT_OK(store_->flush());
    check();
  }
  EXPECT_GT(failed, 5U) << "hardly a call met the error";
}

// docs/hazards.md#phantom-mix-out
TEST_F(Hashing, NewAccountWithoutPhantomMixOut) {
  // The root after one new account is the checksum of its element alone.
  block({Changes().nonce(address(9), 7)});
  PlainLtHash alone;
  Bytes row(40);
  row[39] = 7;
  alone.add(address(9), row);
  EXPECT_EQ(store_->root_hash().value(), alone.checksum());
  EXPECT_EQ(store_->committed_roots().account, alone.checksum());
  // An account that a delete creates is one row of zeros.
  block({Changes().remove(nonce_key(address(10)))});
  alone.add(address(10), Bytes(40));
  EXPECT_EQ(store_->root_hash().value(), alone.checksum());
}

// docs/hazards.md#second-apply-old-value
TEST_F(Hashing, SeveralAppliesWithAccounts) {
  const Address owner = address(1);
  in_steps({Changes().nonce(owner, 1), Changes().balance(owner, word(5)),
            Changes().code_hash(owner, word(6)).nonce(owner, 2),
            Changes().remove(code_hash_key(owner))});
  in_steps({Changes().nonce(owner, 3), Changes().nonce(owner, 4), Changes().nonce(owner, 3)});
}

// docs/hazards.md#second-apply-old-value
TEST_F(Hashing, SeveralAppliesWithStorage) {
  const Address owner = address(2);
  in_steps({Changes().storage(owner, slot(1), bytes({1})),
            Changes().storage(owner, slot(1), bytes({2})).storage(owner, slot(2), bytes({3})),
            Changes().storage(owner, slot(1), bytes({1}))});
  in_steps({Changes().storage(owner, slot(1), bytes({4})),
            Changes().storage(owner, slot(1), bytes({1}))});
}

// docs/hazards.md#second-apply-old-value
TEST_F(Hashing, SeveralAppliesWithAllFour) {
  for (int i = 0; i < 4; ++i) {
    const Address owner = address(static_cast<std::uint64_t>(i % 2));
    const Bytes value = bytes({i + 1});
    in_steps({Changes().nonce(owner, 1).code(owner, value),
              Changes().storage(owner, slot(1), value).set(text("legacy"), value),
              Changes().balance(owner, word(9)).code(owner, bytes({9, i})),
              Changes().set(text("legacy"), bytes({7})).storage(owner, slot(1), bytes({8}))});
  }
}

TEST_F(Hashing, DeleteAcrossApplies) {
  const Address owner = address(3);
  const auto place = storage_key(owner, slot(1));
  // Never there, then set and deleted: leaves no trace.
  in_steps({Changes().set(place, bytes({1})), Changes().remove(place)});
  EXPECT_EQ(to_hex(store_->root_hash().value()), kZeroRoot);
  // There, then deleted, set again and deleted.
  in_steps({Changes().set(place, bytes({1}))});
  in_steps({Changes().remove(place), Changes().set(place, bytes({2})), Changes().remove(place)});
  EXPECT_EQ(to_hex(store_->root_hash().value()), kZeroRoot);
  in_steps({Changes().set(place, bytes({1}))});
  in_steps({Changes().remove(place), Changes().set(place, bytes({1}))});
  // The same across flushes.
  ASSERT_OK(store_->flush());
  in_steps({Changes().remove(place)});
  ASSERT_OK(store_->flush());
  EXPECT_EQ(to_hex(store_->root_hash().value()), kZeroRoot);
  check_and_go_on();
}

TEST_F(Hashing, WithinOneApplyTheLastWriteWins) {
  const auto place = storage_key(address(3), slot(1));
  in_steps({Changes().set(place, bytes({1})).remove(place).set(place, bytes({2}))});
  const auto found = store_->get(place);
  ASSERT_OK(found);
  EXPECT_EQ(**found, bytes({2}));
}

// docs/hazards.md#partial-apply
TEST_F(Hashing, InvalidInputInTheMiddleLeavesNothing) {
  blocks(3);
  const Address owner = address(1);
  const std::vector<Changes> faults = {
      Changes().nonce(owner, 1).set({}, bytes({1})).nonce(owner, 2),
      Changes().nonce(owner, 1).set(nonce_key(owner), Bytes(7)),
      Changes().nonce(owner, 1).set(nonce_key(owner), Bytes(9)),
      Changes().nonce(owner, 1).set(balance_key(owner), {}),
      Changes().nonce(owner, 1).set(code_hash_key(owner), Bytes(20)),
      Changes().nonce(owner, 1).module("").set(bytes({1}), bytes({1})),
      Changes().nonce(owner, 1).set(Bytes((64 << 10) + 1, 0x44), bytes({1})),
      Changes().nonce(owner, 1).set(text("big"), Bytes((64UL << 20) + 1))};
  for (const Changes& fault : faults) {
    EXPECT_TRUE(fails(store_->apply(fault), ErrorCode::invalid_argument));
    EXPECT_FALSE(store_->has_pending());
    EXPECT_TRUE(same_roots(store_->working_roots().value(), model_.committed().roots()));
  }
  // The same with a pending block, which stays usable.
  const Changes before = Changes().storage(owner, slot(1), bytes({5}));
  ASSERT_OK(store_->apply(before));
  ASSERT_TRUE(model_.apply(before));
  for (const Changes& fault : faults) {
    EXPECT_TRUE(fails(store_->apply(fault), ErrorCode::invalid_argument));
    EXPECT_TRUE(same_roots(store_->working_roots().value(), model_.working().roots()));
  }
  in_steps({Changes().nonce(owner, 9)});
  check_and_go_on();
}

// docs/hazards.md#partial-apply
TEST_F(Hashing, LimitsThemselvesAreValid) {
  block({Changes().set(Bytes(64 << 10, 0x44), bytes({1})).set(text("empty"), {})});
  check();
}

/// Flips a byte in the middle of every table of a database of the closed store.
void damage_tables(const std::string& database) {
  int damaged = 0;
  for (const std::string& name : names(database, "", ".sst")) {
    const std::string table = database + "/" + name;
    Bytes content = read_file(table);
    if (content.size() < 60'000) continue;
    for (std::size_t at = 10'000; at + 20'000 < content.size(); at += 3'000) content[at] ^= 0x10;
    write_file(table, content);
    ++damaged;
  }
  ASSERT_GT(damaged, 0) << "no table was large enough";
}

// docs/hazards.md#partial-apply, docs/hazards.md#error-as-not-found
TEST_F(Hashing, ReadErrorIsNeverNotFound) {
  Random random(3);
  Changes many;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    Bytes value(64);
    for (auto& byte : value) byte = static_cast<std::uint8_t>(random());
    many.storage(address(1), slot(i), value);
  }
  block({many, Changes().nonce(address(1), 1)});
  close();
  damage_tables(working(path(), "storage"));
  options_.cache.row_cache_bytes = 0;
  open();
  std::size_t errors = 0;
  for (std::uint64_t i = 0; i < 3000; i += 100) {
    const Bytes key = to_bytes(storage_key(address(1), slot(i)));
    const auto found = store_->get(key);
    if (!found) {
      ++errors;
      EXPECT_EQ(found.error().code, ErrorCode::corruption) << found.error().to_string();
      // Its old value cannot be read, so the write is refused and the pending block is unchanged.
      const Roots before = store_->working_roots().value();
      EXPECT_FALSE(store_->apply(Changes().nonce(address(5), 5).set(key, bytes({1}))));
      EXPECT_TRUE(same_roots(store_->working_roots().value(), before));
      EXPECT_FALSE(store_->has_pending());
      // The same in a block that has other rows, some of them being hashed by then.
      Changes large;  // only rows that are in no damaged table
      Changes next;
      for (std::uint64_t row = 0; row < 300; ++row) {
        large.set(text("legacy " + std::to_string(row)), bytes({1})).nonce(address(row), row);
        next.set(text("legacy " + std::to_string(row)), bytes({2})).nonce(address(row + 200), 1);
      }
      ASSERT_OK(store_->apply(large));
      const Roots after = store_->working_roots().value();
      EXPECT_FALSE(store_->apply(next.set(key, bytes({1}))));
      EXPECT_TRUE(same_roots(store_->working_roots().value(), after));
      EXPECT_FALSE(store_->get_many(std::vector<ByteView>{key}));
      // The same without asking for the roots in between: a failed apply, large or small, must not
      // take the sums of the call before with it.
      for (const Changes& bad : {next, Changes().set(key, bytes({1}))}) {
        store_->discard();
        ASSERT_OK(store_->apply(large));
        EXPECT_FALSE(store_->apply(bad));
        EXPECT_TRUE(same_roots(store_->working_roots().value(), after));
        EXPECT_FALSE(store_->get(key));
      }
      store_->discard();
      if (!HasFailure()) count_fault("C11", Came::refused);
    } else {
      EXPECT_EQ(*found, model_.committed().get(key));
    }
  }
  EXPECT_GT(errors, 0U);
  // Iteration and verify report the damage, too.
  EXPECT_TRUE(fails(all_rows(*store_, Database::storage), ErrorCode::corruption));
  const auto report = store_->verify();
  EXPECT_FALSE(report && report->good());
  // Writes that need no damaged table block still work: the store has not failed.
  const std::vector<Changes> next = {Changes().nonce(address(1), 2)};
  EXPECT_TRUE(commit_both(*store_, model_, next));
}

// docs/hazards.md#empty-missing-delete
TEST_F(Hashing, EmptyMissingAndDeletedStayApartThroughReplay) {
  const auto a = storage_key(address(1), slot(1));
  const auto b = code_key(address(1));
  const Bytes c = text("legacy");
  block({Changes().set(a, {}).set(b, {}).set(c, {}).set(text("gone"), {})});
  block({Changes().remove(text("gone")).set(text("full"), bytes({1}))});
  block({Changes().set(text("full"), {})});
  EXPECT_EQ(to_hex(store_->root_hash().value()), kZeroRoot);
  image("killed");
  close();
  restore("killed");
  open();
  EXPECT_GT(store_->open_report().replayed_blocks, 0);
  for (const Bytes& key : {to_bytes(a), to_bytes(b), c, text("full")}) {
    const auto found = store_->get(key);
    ASSERT_OK(found);
    ASSERT_TRUE(found->has_value()) << to_hex(key);
    EXPECT_TRUE((*found)->empty());
  }
  const auto gone = store_->get(text("gone"));
  ASSERT_OK(gone);
  EXPECT_FALSE(gone->has_value());
  check_and_go_on();
}

// docs/hazards.md#empty-missing-delete
TEST_F(Hashing, DeleteFlagWinsOverAValue) {
  block({Changes().set(text("k"), bytes({1}))});
  const Bytes key = text("k");
  const Bytes value = bytes({2});
  const KVPair pair{key, value, true};
  const NamedChangeSet set{kEvmModule, {&pair, 1}};
  ASSERT_OK(store_->apply({&set, 1}));
  EXPECT_EQ(to_hex(store_->root_hash().value()), kZeroRoot);
  const auto found = store_->get(key);
  ASSERT_OK(found);
  EXPECT_FALSE(found->has_value());
}

// docs/hazards.md#other-modules-as-evm
TEST_F(Hashing, OtherModulesAreIgnoredAndCounted) {
  const Roots before = store_->working_roots().value();
  ASSERT_OK(store_->apply(Changes()
                              .module("bank")
                              .set(storage_key(address(1), slot(1)), bytes({1}))
                              .set({}, bytes({1}))
                              .module("evmx")
                              .set(nonce_key(address(1)), bytes({1}))
                              .module("EVM")
                              .remove({})));
  EXPECT_EQ(store_->working_roots().value(), before);
  EXPECT_EQ(store_->metrics().ignored_change_sets, 3U);
  ASSERT_OK(store_->commit(1));
  EXPECT_EQ(store_->committed_roots(), before);
  EXPECT_EQ(store_->metrics().ignored_change_sets, 3U);
  ASSERT_OK(store_->commit(2));
  auto overlay = store_->overlay();
  ASSERT_OK(overlay);
  ASSERT_OK(overlay->apply(Changes().module("bank").set({}, bytes({1}))));
  EXPECT_EQ(store_->metrics().ignored_change_sets, 3U);
  ASSERT_OK(store_->commit(*overlay));
  EXPECT_EQ(store_->metrics().ignored_change_sets, 4U);
}

// docs/hazards.md#metadata-among-rows, docs/hazards.md#legacy-key-hits-metadata
TEST_F(Hashing, LegacyKeysThatLookLikeMetadata) {
  const std::vector<Bytes> keys = {text("local"),
                                   text("stats"),
                                   text("_meta/version"),
                                   text("_meta/hash"),
                                   text("_meta/hash/account"),
                                   bytes({0}),
                                   bytes({0, 'l', 'o', 'c', 'a', 'l'}),
                                   bytes({1}),
                                   bytes({1, 'l'}),
                                   meta_key("local"),
                                   row_key(text("local"))};
  Changes all;
  for (const Bytes& key : keys) all.set(key, text("value of a row"));
  block({all});
  ASSERT_OK(store_->flush());
  check();
  reopen();
  for (const Bytes& key : keys) {
    const auto found = store_->get(key);
    ASSERT_OK(found);
    EXPECT_EQ(**found, text("value of a row"));
  }
  check();
  Changes none;
  for (const Bytes& key : keys) none.remove(key);
  block({none});
  reopen();
  EXPECT_EQ(to_hex(store_->root_hash().value()), kZeroRoot);
  check_and_go_on();
}

// docs/hazards.md#borrowed-memory, docs/hazards.md#aliased-batches
TEST_F(Hashing, NothingBorrowedIsKept) {
  Bytes key = text("key-a");
  Bytes value = text("value-a");
  std::string module = "evm";
  for (int i = 0; i < 3; ++i) {
    key.back() = static_cast<std::uint8_t>('a' + i);
    value.back() = static_cast<std::uint8_t>('a' + i);
    const KVPair pair{key, value, false};
    const NamedChangeSet set{module, {&pair, 1}};
    ASSERT_OK(store_->apply({&set, 1}));
    ASSERT_TRUE(model_.apply({&set, 1}));
  }
  std::fill(key.begin(), key.end(), std::uint8_t{0});
  std::fill(value.begin(), value.end(), std::uint8_t{0});
  module = "xxx";
  model_.commit();
  ASSERT_OK(store_->commit(1));
  check();
  // Replay must not depend on it either.
  image("killed");
  close();
  restore("killed");
  open();
  check_and_go_on();
}

// docs/hazards.md#rows-trading-places
TEST_F(Hashing, CodeAndAccountRowThatTradePlaces) {
  const Address owner = address(4);
  Bytes row(40);
  row[39] = 7;
  block({Changes().code(owner, row)});
  const Roots code = store_->committed_roots();
  block({Changes().remove(code_key(owner)).nonce(owner, 7)});
  const Roots account = store_->committed_roots();
  EXPECT_EQ(code.root, account.root) << "equal elements must give equal roots";
  EXPECT_NE(code.account, account.account);
  EXPECT_NE(code.code, account.code);
  check();
}

TEST_F(Hashing, PruneEmptyRemovesZeroAccounts) {
  close();
  remove_tree(path());
  options_.create.account_rows = AccountRows::prune_empty;
  model_ = Model(AccountRows::prune_empty);
  open();
  EXPECT_EQ(store_->account_rows(), AccountRows::prune_empty);
  const Address owner = address(1);
  in_steps({Changes().nonce(owner, 1), Changes().balance(owner, word(1))});
  in_steps({Changes().nonce(owner, 0), Changes().remove(balance_key(owner))});
  EXPECT_EQ(to_hex(store_->root_hash().value()), kZeroRoot);
  const auto gone = store_->get(nonce_key(owner));
  ASSERT_OK(gone);
  EXPECT_FALSE(gone->has_value());
  // An open ignores this and takes the store's own.
  options_.create.account_rows = AccountRows::keep;
  reopen();
  EXPECT_EQ(store_->account_rows(), AccountRows::prune_empty);
  check_and_go_on();
}

TEST_F(Hashing, KeepModeKeepsZeroAccounts) {
  const Address owner = address(1);
  block({Changes().nonce(owner, 1)});
  block({Changes().remove(nonce_key(owner))});
  const auto nonce = store_->get(nonce_key(owner));
  ASSERT_OK(nonce);
  EXPECT_EQ(**nonce, Bytes(8));
  const auto balance = store_->get(balance_key(owner));
  ASSERT_OK(balance);
  EXPECT_FALSE(balance->has_value());
  EXPECT_NE(to_hex(store_->root_hash().value()), kZeroRoot);
}

TEST_F(Hashing, WhatIfAndDiscardLeaveNoTrace) {
  blocks(4);
  const Roots before = store_->committed_roots();
  for (std::uint64_t i = 0; i < 20; ++i) {
    for (const Changes& changes : script_block(i, 1)) ASSERT_OK(store_->apply(changes));
    store_->discard();
    ASSERT_EQ(store_->working_roots().value(), before);
  }
  check_and_go_on();
}

TEST_F(Hashing, WrongVersionChangesNothing) {
  blocks(2);
  const Changes pending = Changes().nonce(address(1), 3);
  ASSERT_OK(store_->apply(pending));
  ASSERT_TRUE(model_.apply(pending));
  for (const std::int64_t wrong : {0LL, 1LL, 2LL, 4LL, -1LL}) {
    EXPECT_TRUE(fails(store_->commit(wrong), ErrorCode::version_mismatch)) << wrong;
    EXPECT_TRUE(store_->has_pending());
    EXPECT_TRUE(same_roots(store_->working_roots().value(), model_.working().roots()));
    if (!HasFailure()) count_fault("C19", Came::refused);
  }
  model_.commit();
  EXPECT_OK(store_->commit(3));
  check_and_go_on();
}

}  // namespace
}  // namespace flatkv::test

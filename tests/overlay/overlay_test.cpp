// SPDX-License-Identifier: Apache-2.0
// Blocks that are not final yet: what overlays show, when they are stale, and how they are
// committed.
#include "flatkv/overlay.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

Changes slot_of(std::uint64_t owner, std::uint64_t index, std::uint64_t value) {
  return Changes().storage(address(owner), slot(index), word(value));
}

class Overlays : public StoreFixture {
 protected:
  Overlay start() { return must(store_->overlay()); }
  static Overlay child(Overlay& parent) { return must(parent.child()); }

  template <class T>
  static T must(Result<T> made) {
    if (!made) throw std::runtime_error(made.error().to_string());
    return *std::move(made);
  }

  static std::optional<Bytes> value(const Overlay& overlay, std::uint64_t owner,
                                    std::uint64_t index) {
    const auto found = overlay.storage(address(owner), slot(index));
    EXPECT_OK(found);
    return found ? *found : std::nullopt;
  }
  static Bytes word_bytes(std::uint64_t number) {
    const Word all = word(number);
    return {all.begin(), all.end()};
  }

  /// The next version of the model, committed on the store by way of an overlay.
  void commit_next(const std::vector<Changes>& applies) {
    Overlay next = start();
    for (const Changes& changes : applies) {
      ASSERT_OK(next.apply(changes));
      ASSERT_TRUE(model_.apply(changes));
    }
    ASSERT_TRUE(same_roots(must(next.working_roots()), model_.working().roots()));
    model_.commit();
    const auto roots = store_->commit(next);
    ASSERT_OK(roots);
    ASSERT_TRUE(same_roots(*roots, model_.committed().roots()));
  }
};

/// Every call of an overlay, by the code that it fails with.
::testing::AssertionResult all_fail(Overlay& overlay, ErrorCode code) {
  const Bytes key = to_bytes(storage_key(address(1), slot(1)));
  const std::array<ByteView, 1> keys{key};
  const std::vector<std::pair<const char*, std::optional<Error>>> calls = [&] {
    std::vector<std::pair<const char*, std::optional<Error>>> all;
    const auto add = [&](const char* name, const auto& result) {
      all.emplace_back(name, result ? std::nullopt : std::optional(result.error()));
    };
    add("apply", overlay.apply(slot_of(1, 1, 1)));
    add("root_hash", overlay.root_hash());
    add("working_roots", overlay.working_roots());
    add("working_hash", overlay.working_hash(Database::storage));
    add("get", overlay.get(key));
    add("get_many", overlay.get_many(keys));
    add("account", overlay.account(address(1)));
    add("storage", overlay.storage(address(1), slot(1)));
    add("code", overlay.code(address(1)));
    add("row", overlay.row(Database::legacy, key));
    add("iterate", overlay.iterate(Database::storage));
    add("child", overlay.child());
    return all;
  }();
  for (const auto& [name, error] : calls) {
    if (!error) return ::testing::AssertionFailure() << name << " succeeded";
    if (error->code != code) {
      return ::testing::AssertionFailure() << name << ": " << error->to_string();
    }
  }
  return ::testing::AssertionSuccess();
}

TEST_F(Overlays, ReadThroughAllTheirAncestors) {
  open();
  block({slot_of(1, 1, 10), slot_of(1, 2, 20), slot_of(1, 3, 30)});
  Overlay bottom = start();
  EXPECT_EQ(bottom.version(), 2);
  ASSERT_OK(bottom.apply(slot_of(1, 1, 11)));
  Overlay middle = child(bottom);
  ASSERT_OK(middle.apply(Changes().remove(storage_key(address(1), slot(2)))));
  Overlay top = child(middle);
  EXPECT_EQ(top.version(), 4);
  ASSERT_OK(top.apply(slot_of(1, 4, 44)));

  EXPECT_EQ(value(top, 1, 1), word_bytes(11));
  EXPECT_EQ(value(top, 1, 2), std::nullopt);
  EXPECT_EQ(value(top, 1, 3), word_bytes(30));
  EXPECT_EQ(value(top, 1, 4), word_bytes(44));
  EXPECT_EQ(value(middle, 1, 4), std::nullopt);
  EXPECT_EQ(value(bottom, 1, 2), word_bytes(20));
  EXPECT_EQ(must(must(store_->view()).storage(address(1), slot(1))), word_bytes(10));
}

TEST_F(Overlays, RootsAreThoseOfAStoreThatCommitted) {
  open();
  blocks(5);
  Model chain = model_;
  std::vector<Overlay> overlays;
  overlays.push_back(start());
  for (std::int64_t version = 6; version < 30; ++version) {
    for (const Changes& changes : script_block(seed_, version)) {
      ASSERT_OK(overlays.back().apply(changes));
      ASSERT_TRUE(chain.apply(changes));
      ASSERT_TRUE(same_roots(must(overlays.back().working_roots()), chain.working().roots()));
    }
    chain.commit();
    for (const Database database : kDataDatabases) {
      ASSERT_EQ(must(overlays.back().working_hash(database)).serialize(),
                chain.committed().hashes[database].serialized());
    }
    overlays.push_back(child(overlays.back()));
  }
  check();  // nothing of it is committed
}

TEST_F(Overlays, CommitTakesTheAncestorsAlong) {
  open();
  blocks(3);
  std::vector<Overlay> overlays;
  overlays.push_back(start());
  for (std::int64_t version = 4; version <= 20; ++version) {
    for (const Changes& changes : script_block(seed_, version)) {
      ASSERT_OK(overlays.back().apply(changes));
      ASSERT_TRUE(model_.apply(changes));
    }
    model_.commit();
    if (version < 20) overlays.push_back(child(overlays.back()));
  }
  EXPECT_TRUE(fails(store_->commit(overlays.back(), 19), ErrorCode::version_mismatch));
  ASSERT_OK(store_->commit(overlays.back(), 20));
  check();
  for (std::int64_t version = 4; version <= 20; ++version) {
    const auto record = store_->log_record(version);
    ASSERT_OK(record);
    EXPECT_TRUE(record->has_value()) << version;
  }
  reopen();  // replays nothing, and the log continues
  check_and_go_on();
}

TEST_F(Overlays, LosersAreStaleAndWinnersChildrenLiveOn) {
  open();
  block({slot_of(1, 1, 1)});
  Overlay winner = start();
  ASSERT_OK(winner.apply(slot_of(1, 1, 2)));
  ASSERT_TRUE(model_.apply(slot_of(1, 1, 2)));
  Overlay loser = start();
  ASSERT_OK(loser.apply(slot_of(1, 1, 3)));
  Overlay grandchild_of_loser = child(loser);
  Overlay heir = child(winner);
  ASSERT_OK(heir.apply(slot_of(1, 2, 4)));
  const Roots expected = must(heir.working_roots());

  ASSERT_OK(store_->commit(winner));
  model_.commit();
  EXPECT_TRUE(all_fail(loser, ErrorCode::stale));
  EXPECT_TRUE(all_fail(grandchild_of_loser, ErrorCode::stale));
  EXPECT_TRUE(fails(store_->commit(loser), ErrorCode::stale));
  EXPECT_TRUE(fails(store_->commit(grandchild_of_loser), ErrorCode::stale));
  check();

  // The heir now reads the committed state, and can be written to as before.
  EXPECT_EQ(value(heir, 1, 1), word_bytes(2));
  EXPECT_TRUE(same_roots(must(heir.working_roots()), expected));
  ASSERT_OK(heir.apply(slot_of(1, 3, 5)));
  ASSERT_TRUE(model_.apply(slot_of(1, 2, 4)));
  ASSERT_TRUE(model_.apply(slot_of(1, 3, 5)));
  model_.commit();
  ASSERT_OK(store_->commit(heir));
  check();
}

TEST_F(Overlays, UndoneBlocksTakeTheirsAlong) {
  options_.rollback_depth = 8;
  options_.durability = Durability::sync;  // a record also tells how far the log was durable
  open();
  block({slot_of(1, 1, 10)});
  Overlay sibling = start();
  ASSERT_OK(sibling.apply(slot_of(1, 1, 12)));
  Overlay winner = start();
  ASSERT_OK(winner.apply(slot_of(1, 1, 11)));
  ASSERT_OK(store_->commit(winner));
  Overlay child_of_winner = child(winner);
  Overlay on_winner = start();
  Overlay uncommitted = child(on_winner);
  const Digest chain = must(store_->log_record(2))->chain;
  EXPECT_TRUE(all_fail(sibling, ErrorCode::stale));

  ASSERT_OK(store_->rollback(1));
  for (Overlay* undone : {&winner, &child_of_winner, &on_winner, &uncommitted}) {
    EXPECT_TRUE(all_fail(*undone, ErrorCode::stale));
    EXPECT_TRUE(fails(store_->commit(*undone), ErrorCode::stale));
  }
  EXPECT_EQ(value(sibling, 1, 1), word_bytes(12));

  // The very same block again: its chain digest is the same, yet those stay stale.
  ASSERT_OK(store_->apply(slot_of(1, 1, 11)));
  ASSERT_OK(store_->commit(2));
  ASSERT_EQ(must(store_->log_record(2))->chain, chain);
  for (Overlay* undone : {&sibling, &winner, &child_of_winner, &on_winner, &uncommitted}) {
    EXPECT_TRUE(all_fail(*undone, ErrorCode::stale));
  }

  // The loser is committed after all, with the roots that it had.
  ASSERT_OK(store_->rollback(1));
  ASSERT_OK(sibling.apply(slot_of(2, 1, 5)));
  ASSERT_TRUE(model_.apply(slot_of(1, 1, 12)));
  ASSERT_TRUE(model_.apply(slot_of(2, 1, 5)));
  EXPECT_TRUE(same_roots(must(sibling.working_roots()), model_.working().roots()));
  model_.commit();
  EXPECT_TRUE(same_roots(must(store_->commit(sibling)), model_.committed().roots()));
  check_and_go_on();
}

TEST_F(Overlays, ACommittedOneShowsTheCommittedState) {
  open();
  Overlay first = start();
  ASSERT_OK(first.apply(slot_of(1, 1, 1)));
  ASSERT_OK(store_->commit(first));
  EXPECT_TRUE(same_roots(must(first.working_roots()), store_->committed_roots()));
  EXPECT_EQ(value(first, 1, 1), word_bytes(1));
  EXPECT_TRUE(fails(first.apply(slot_of(1, 1, 2)), ErrorCode::invalid_argument));
  EXPECT_TRUE(fails(store_->commit(first), ErrorCode::invalid_argument));
  Overlay second = child(first);
  EXPECT_EQ(second.version(), 2);
  ASSERT_OK(second.apply(slot_of(1, 1, 2)));
  ASSERT_OK(store_->commit(second));
  EXPECT_TRUE(all_fail(first, ErrorCode::stale));
}

TEST_F(Overlays, AParentNoLongerChanges) {
  open();
  Overlay parent = start();
  ASSERT_OK(parent.apply(slot_of(1, 1, 1)));
  const Roots roots = must(parent.working_roots());
  {
    const Overlay only_child = child(parent);
    EXPECT_TRUE(same_roots(must(only_child.working_roots()), roots));
  }
  EXPECT_TRUE(fails(parent.apply(slot_of(1, 1, 2)), ErrorCode::invalid_argument));
  EXPECT_TRUE(same_roots(must(parent.working_roots()), roots));
  ASSERT_OK(store_->commit(parent));
}

TEST_F(Overlays, TheHandlesBlockIsApart) {
  open();
  Overlay beside = start();
  ASSERT_OK(beside.apply(slot_of(1, 1, 1)));
  ASSERT_OK(store_->apply(slot_of(1, 1, 2)));
  EXPECT_EQ(value(beside, 1, 1), word_bytes(1));
  EXPECT_TRUE(fails(store_->commit(beside), ErrorCode::invalid_argument));
  store_->discard();
  ASSERT_OK(store_->commit(beside));
  // And the other way round.
  Overlay loser = start();
  ASSERT_OK(store_->apply(slot_of(1, 1, 3)));
  ASSERT_OK(store_->commit(2));
  EXPECT_TRUE(all_fail(loser, ErrorCode::stale));
}

TEST_F(Overlays, AnApplyIsAllOrNothing) {
  open();
  Overlay overlay = start();
  ASSERT_OK(overlay.apply(slot_of(1, 1, 1)));
  const Roots before = must(overlay.working_roots());
  const auto refused = overlay.apply(slot_of(1, 1, 2).set(nonce_key(address(1)), bytes({1})));
  EXPECT_TRUE(fails(refused, ErrorCode::invalid_argument));
  EXPECT_EQ(refused.error().version, 1);
  EXPECT_TRUE(same_roots(must(overlay.working_roots()), before));
}

TEST_F(Overlays, StrictModeHoldsForThem) {
  options_.strict = true;
  open();
  Overlay overlay = start();
  EXPECT_TRUE(
      fails(overlay.apply(Changes().set(text("legacy"), bytes({1}))), ErrorCode::invalid_argument));
}

TEST_F(Overlays, IteratorsMergeAllAncestors) {
  open();
  blocks(20);
  ASSERT_OK(store_->flush());
  blocks(5);
  Model chain = model_;
  std::vector<Overlay> overlays;
  overlays.push_back(start());
  for (std::int64_t version = 26; version < 90; ++version) {
    for (const Changes& changes : script_block(seed_, version)) {
      ASSERT_OK(overlays.back().apply(changes));
      ASSERT_TRUE(chain.apply(changes));
    }
    chain.commit();
    if (version % 9 == 0) {
      for (const Database database : kDataDatabases) {
        auto rows = overlays.back().iterate(database);
        ASSERT_OK(rows);
        Rows found;
        for (; rows->valid(); rows->next()) {
          found[to_bytes(rows->key())] = to_bytes(rows->value());
        }
        ASSERT_OK(rows->status());
        EXPECT_EQ(found, chain.committed().rows[database]);
      }
    }
    overlays.push_back(child(overlays.back()));
  }
}

TEST_F(Overlays, AnIteratorOutlivesWhatItShows) {
  open();
  std::optional<RowIterator> rows;
  {
    Overlay gone = start();
    ASSERT_OK(gone.apply(slot_of(1, 1, 1)));
    rows.emplace(must(gone.iterate(Database::storage)));
  }
  block({slot_of(1, 1, 2)});
  rows->seek_to_first();
  ASSERT_TRUE(rows->valid());
  EXPECT_EQ(to_bytes(rows->value()), word_bytes(1));
}

TEST_F(Overlays, MemoryIsCountedAndBounded) {
  options_.overlay_memory_bytes = 1 << 20;
  open();
  {
    std::vector<Overlay> overlays;
    overlays.push_back(start());
    const Bytes value(10'000, 7);
    Status applied;
    std::uint64_t index = 0;
    for (; applied && index < 1000; ++index) {
      applied = overlays.back().apply(Changes().storage(address(1), slot(index), value));
      if (index % 10 == 9 && applied) overlays.push_back(child(overlays.back()));
    }
    EXPECT_TRUE(fails(applied, ErrorCode::no_space));
    EXPECT_GT(index, 20U);
    EXPECT_GT(store_->metrics().overlay_memory, 500'000U);
    EXPECT_LT(store_->metrics().overlay_memory, 1'200'000U);
    // The refused write changed nothing, and the chain can still be committed.
    EXPECT_EQ(must(overlays.back().storage(address(1), slot(index - 1))), std::nullopt);
    ASSERT_OK(store_->commit(overlays.back()));
    EXPECT_LT(store_->metrics().overlay_memory, 500'000U)
        << "committed blocks are unlinked while their handles live";
  }
  EXPECT_EQ(store_->metrics().overlay_memory, 0U);
  EXPECT_TRUE(store_->overlay());
}

TEST_F(Overlays, OneWithoutWritesIsCountedAndBoundedToo) {
  options_.overlay_memory_bytes = 100'000;
  open();
  std::vector<Overlay> overlays;
  Result<Overlay> next = store_->overlay();
  for (; next && overlays.size() < 100; next = store_->overlay()) {
    overlays.push_back(*std::move(next));
  }
  EXPECT_TRUE(fails(next, ErrorCode::no_space));
  EXPECT_LE(store_->metrics().overlay_memory, options_.overlay_memory_bytes);
  EXPECT_GT(store_->metrics().overlay_memory, 50'000U);
  close();
  options_.overlay_memory_bytes = 0;
  open();
  EXPECT_TRUE(fails(store_->overlay(), ErrorCode::no_space));
}

TEST_F(Overlays, NewRowsStayBelowTheLimit) {
  options_.overlay_memory_bytes = 1 << 20;
  open();
  Overlay overlay = start();
  Changes accounts;
  for (std::uint64_t i = 0; i < 9'000; ++i) accounts.nonce(address(i), i);
  EXPECT_TRUE(fails(overlay.apply(accounts), ErrorCode::no_space));
  std::uint64_t applied = 0;
  while (applied < 9'000 && overlay.apply(Changes().nonce(address(applied), 1))) ++applied;
  EXPECT_GT(applied, 1'000U);
  EXPECT_LT(applied, 9'000U);
  EXPECT_LE(store_->metrics().overlay_memory, options_.overlay_memory_bytes * 11 / 10);
}

TEST_F(Overlays, AChildThatIsRefusedLeavesItsParentAsItWas) {
  options_.overlay_memory_bytes = 1 << 20;
  open();
  Overlay parent = start();
  std::uint64_t index = 0;
  while (parent.apply(slot_of(1, index, 1))) ++index;
  ASSERT_TRUE(fails(parent.child(), ErrorCode::no_space)) << "its index takes more than is left";
  EXPECT_TRUE(fails(parent.apply(slot_of(1, index, 1)), ErrorCode::no_space)) << "not sealed";
}

TEST_F(Overlays, OnesOnTheLastVersionHaveNoChildAndAreNotSealed) {
  constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();
  options_.create.initial_version = kLast - 1;
  options_.create_if_missing = true;
  auto store = CommitStore::open(path(), options_);
  ASSERT_OK(store);
  ASSERT_OK(store->commit(kLast - 1));
  Overlay overlay = must(store->overlay());
  ASSERT_OK(overlay.apply(slot_of(1, 1, 1)));
  EXPECT_TRUE(fails(overlay.child(), ErrorCode::version_mismatch));
  EXPECT_OK(overlay.apply(slot_of(1, 1, 2)));
}

TEST_F(Overlays, ListsOfAncestorsAreCounted) {
  open();
  constexpr std::uint64_t kDepth = 600;
  std::vector<Overlay> overlays;
  overlays.push_back(start());
  const std::uint64_t one = store_->metrics().overlay_memory;
  while (overlays.size() < kDepth) overlays.push_back(child(overlays.back()));
  EXPECT_GT(store_->metrics().overlay_memory, kDepth * one + kDepth * kDepth / 2 * 16);
}

TEST_F(Overlays, StaleOnesAreStillCountedAfterARollback) {
  open();
  block({slot_of(1, 1, 1)});
  block({slot_of(1, 1, 2)});
  {
    Overlay overlay = start();
    ASSERT_OK(overlay.apply(Changes().storage(address(1), slot(2), Bytes(1 << 20, 5))));
    ASSERT_OK(store_->rollback(1));
    EXPECT_TRUE(fails(overlay.working_roots(), ErrorCode::stale));
    EXPECT_GT(store_->metrics().overlay_memory, 1U << 20);
  }
  EXPECT_EQ(store_->metrics().overlay_memory, 0U);
}

TEST_F(Overlays, TheyPinNoBuffer) {
  open();
  block({slot_of(1, 1, 1).storage(address(1), slot(2), Bytes(1 << 20, 5))});
  Overlay overlay = start();
  ASSERT_OK(overlay.apply(slot_of(1, 1, 2)));
  ASSERT_OK(store_->flush());
  EXPECT_LT(store_->metrics().buffer_memory, 1U << 20);
  EXPECT_EQ(store_->metrics().view_memory, 0U);
  ASSERT_TRUE(model_.apply(slot_of(1, 1, 2)));
  model_.commit();
  ASSERT_OK(store_->commit(overlay));
  check();
}

TEST_F(Overlays, AnEndOfTheStoreEndsThem) {
  open();
  blocks(3);
  ASSERT_OK(store_->snapshot());
  blocks(1);
  Overlay overlay = start();
  Overlay above = child(overlay);
  ASSERT_OK(store_->rollback(3));
  EXPECT_TRUE(all_fail(overlay, ErrorCode::stale));
  EXPECT_TRUE(all_fail(above, ErrorCode::stale));
  Overlay later = start();
  EXPECT_EQ(later.version(), 4);
  ASSERT_OK(store_->close());
  EXPECT_TRUE(all_fail(later, ErrorCode::store_failed));
  EXPECT_TRUE(fails(store_->overlay(), ErrorCode::store_failed));
  store_.reset();
  EXPECT_TRUE(all_fail(later, ErrorCode::store_failed));
}

TEST_F(Overlays, OneOfAnotherStoreIsRefused) {
  open();
  auto other = CommitStore::open(aside("other"), options_);
  ASSERT_OK(other);
  Overlay overlay = must(other->overlay());
  EXPECT_TRUE(fails(store_->commit(overlay), ErrorCode::invalid_argument));
  ASSERT_OK(other->commit(overlay));
}

TEST_F(Overlays, AnEmptyOneIsABlockToo) {
  open();
  commit_next({});
  commit_next({Changes()});
  check();
}

TEST_F(Overlays, AThousandAreDestroyedAndCommitted) {
  open();
  std::vector<Overlay> overlays;
  overlays.push_back(start());
  for (std::uint64_t i = 0; i < 1000; ++i) {
    ASSERT_OK(overlays.back().apply(slot_of(1, i % 100, i + 1)));
    overlays.push_back(child(overlays.back()));
  }
  for (std::uint64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(value(overlays.back(), 1, i), word_bytes(901 + i)) << i;
  }
  EXPECT_EQ(value(overlays[500], 1, 3), word_bytes(404));
  // Only the last handle is left, and carries all the blocks.
  overlays.erase(overlays.begin(), overlays.end() - 1);
  ASSERT_OK(store_->commit(overlays.front()));
  EXPECT_EQ(store_->version(), 1001);
  EXPECT_EQ(must(must(store_->view()).storage(address(1), slot(0))), word_bytes(901));
}

TEST_F(Overlays, PruneEmptyAccounts) {
  options_.create.account_rows = AccountRows::prune_empty;
  model_ = Model(AccountRows::prune_empty);
  open();
  commit_next({Changes().nonce(address(1), 1).nonce(address(2), 2)});
  Overlay parent = start();
  const Changes clear = Changes().remove(nonce_key(address(1)));
  ASSERT_OK(parent.apply(clear));
  ASSERT_TRUE(model_.apply(clear));
  model_.commit();
  Overlay top = child(parent);
  EXPECT_EQ(must(top.account(address(1))), std::nullopt);
  EXPECT_EQ(must(top.account(address(2)))->nonce, 2U);
  const Changes again = Changes().balance(address(1), word(5));
  ASSERT_OK(top.apply(again));
  ASSERT_TRUE(model_.apply(again));
  model_.commit();
  ASSERT_OK(store_->commit(top));
  check();
}

}  // namespace
}  // namespace flatkv::test

// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "codec/keys.hpp"
#include "flatkv/changes.hpp"
#include "store/test_store.hpp"

namespace flatkv::store {
namespace {

/// So many empty change sets of the module.
std::vector<NamedChangeSet> empty_sets(std::size_t count, std::string_view name = kEvmModule) {
  return std::vector<NamedChangeSet>(count, {name, {}});
}

// What the log could not be read with again is never written into it.
TEST(ChangeSets, ABlockHasOnlySoMany) {
  const TempDir dir;
  {
    CommitStore store = open_new(dir / "s");
    must(store.apply(empty_sets(codec::kMaxChangeSets - 1)));
    must(store.apply(empty_sets(2, "bank")));  // not kept, and not counted
    const Status more = store.apply(empty_sets(2));
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().code, ErrorCode::invalid_argument);
    must(Block().slot(1, 1, 7).apply(store));  // one more is all that fits
    const Status none = Block().slot(1, 1, 8).apply(store);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(must(store.get(Block::slot_key(1, 1))), Block::word(7));
    must(store.commit(1));
    must(Block().slot(1, 1, 9).commit(store));  // the next block begins anew
    must(store.close());
  }
  CommitStore store = must(CommitStore::open(dir / "s"));
  ChangeReader changes = must(store.changes(1, 1));
  const auto block = must(changes.next());
  ASSERT_TRUE(block);
  EXPECT_EQ(block->change_sets().size(), codec::kMaxChangeSets);
}

}  // namespace
}  // namespace flatkv::store

// SPDX-License-Identifier: Apache-2.0
#include <functional>

#include "store/test_store.hpp"

namespace flatkv::store {
namespace {

TEST(ClosedStore, EveryCallThatNeedsTheStoreIsRefusedByTheSameError) {
  const TempDir dir;
  Options options;
  options.scrub.mode = Scrub::by_hand;
  CommitStore store = open_new(dir / "s", options);
  must(Block().slot(1, 1, 7).commit(store));
  Overlay overlay = must(store.overlay());
  must(store.close());

  const Bytes key = Block::slot_key(1, 1);
  const ByteView keys[] = {key};
  const auto status = [](const auto& result) {
    return result ? Status{} : Status(std::unexpected(result.error()));
  };
  const std::pair<const char*, std::function<Status()>> calls[] = {
      {"apply", [&] { return Block().slot(1, 1, 8).apply(store); }},
      {"commit", [&] { return status(store.commit(2)); }},
      {"overlay", [&] { return status(store.overlay()); }},
      {"commit of an overlay", [&] { return status(store.commit(overlay)); }},
      {"get", [&] { return status(store.get(key)); }},
      {"get_many", [&] { return status(store.get_many(keys)); }},
      {"account", [&] { return status(store.account(Block::address(1))); }},
      {"storage", [&] { return status(store.storage(Block::address(1), Block::slot_index(1))); }},
      {"code", [&] { return status(store.code(Block::address(1))); }},
      {"row", [&] { return status(store.row(Database::storage, key)); }},
      {"iterate", [&] { return status(store.iterate(Database::storage)); }},
      {"prefetch", [&] { return store.prefetch(keys); }},
      {"view", [&] { return status(store.view()); }},
      {"view of a version", [&] { return status(store.view(1)); }},
      {"view of a version before", [&] { return status(store.view(0)); }},
      {"view of a version that never was", [&] { return status(store.view(9)); }},
      {"wait_durable", [&] { return store.wait_durable(1); }},
      {"flush", [&] { return store.flush(); }},
      {"snapshot", [&] { return store.snapshot(); }},
      {"rollback", [&] { return store.rollback(0); }},
      {"verify", [&] { return status(store.verify()); }},
      {"scrub", [&] { return status(store.scrub(10)); }},
      {"log_record", [&] { return status(store.log_record(1)); }},
      {"changes", [&] { return status(store.changes(1, 1)); }},
      {"subscribe", [&] { return status(store.subscribe()); }},
      {"named_cursors", [&] { return status(store.named_cursors()); }},
      {"drop_cursor", [&] { return store.drop_cursor("one"); }},
  };
  for (const auto& [name, call] : calls) {
    const Status refused = call();
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code, ErrorCode::store_failed) << name;
    EXPECT_EQ(refused.error().message, "the store is closed") << name;
    EXPECT_EQ(refused.error().path, dir / "s") << name;
  }
  EXPECT_EQ(store.version(), 1) << "is still told";
  must(store.close());
}

}  // namespace
}  // namespace flatkv::store

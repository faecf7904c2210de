// SPDX-License-Identifier: Apache-2.0
#include "flatkv/tools/transfer.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "base/failpoint.hpp"
#include "transfer/test_support.hpp"

namespace flatkv::transfer {
namespace {

TEST(Transfer, RoundTripGoesOnWithTheSameRoots) {
  const TempDir dir;
  CommitStore one = open_new(dir / "one");
  fill(one);
  const Bytes bytes = export_bytes(one);
  const StreamSummary checked =
      must(check(bytes, {one.committed_roots().root, one.committed_roots(), {}}));
  EXPECT_EQ(checked.version, 5);
  EXPECT_EQ(checked.rows(), 5U * 53);
  must(import(bytes, dir / "two"));

  CommitStore two = must(CommitStore::open(dir / "two"));
  EXPECT_TRUE(two.version() == 5 && two.committed_roots() == one.committed_roots());
  expect_verified(two);
  EXPECT_EQ(export_bytes(two), bytes);  // equal states, equal bytes
  for (unsigned i = 0; i < 10; ++i) {
    Block block;
    block.slot(1, i, 77).remove(Block::slot_key(2, i)).set({0x99, 0x02}, {9});
    EXPECT_EQ(must(block.commit(one)), must(block.commit(two)));
  }
  must(two.close());
  {
    const CommitStore gone = std::move(two);
  }
  const CommitStore again = must(CommitStore::open(dir / "two"));
  // docs/hazards.md#import-lost-at-next-open
  EXPECT_EQ(again.version(), 15);
  expect_verified(again);
}

TEST(Transfer, EqualStatesGiveEqualBytesWhateverTheirPast) {
  const TempDir dir;
  Options small;
  small.flush.write_buffer_bytes = 4 << 10;
  small.segment_bytes = 2 << 10;
  CommitStore one = open_new(dir / "one", small);
  fill(one);
  // The same rows in other blocks and another order, with detours.
  CommitStore two = open_new(dir / "two");
  Block all;
  for (unsigned i = 5; i-- > 0;) {
    for (unsigned j = 50; j-- > 0;) all.slot(i + 1, j, i * j + 1);
    all.set(to_bytes(nonce_key(Block::address(i))), nonce(i + 1));
    all.set(to_bytes(code_key(Block::address(i))), Bytes(1000 * i + 1, 0x60));
    all.set({0x99, static_cast<std::uint8_t>(i)}, i == 2 ? Bytes{} : Bytes{1, 2, 3});
    all.remove(Block::slot_key(77, i)).remove({0x99, 0x77});
    if (i == 0) break;  // the fifth block holds everything
    must(Block().slot(77, i, i).set({0x99, 0x77}, {1}).commit(two));
    must(two.flush());
  }
  must(all.commit(two));
  ASSERT_EQ(two.version(), one.version());
  ASSERT_EQ(two.committed_roots(), one.committed_roots());
  EXPECT_EQ(export_bytes(two), export_bytes(one));
}

TEST(Transfer, ABlockThatCannotBeReadIsNotTheEndOfTheRows_E1) {
  const TempDir dir;
  {
    CommitStore store = open_new(dir / "s");
    Block block;
    for (unsigned i = 0; i < 3000; ++i) block.slot(9, i, i * 7);
    must(block.commit(store));
    must(store.close());
  }
  const std::string storage = dir / "s/gen-00000001/working/storage";
  for (const auto& entry : std::filesystem::directory_iterator(storage)) {
    if (entry.path().extension() != ".sst" || entry.file_size() < 9000) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(8000);
    file.put('x').put('y').put('z');
  }
  const CommitStore store = must(CommitStore::open(dir / "s"));
  for (const std::string& file : {dir / "plain", dir / "small.zst"}) {
    const Status done = export_to_file(must(store.view()), file);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::corruption);
    EXPECT_EQ(done.error().path, storage);
    EXPECT_FALSE(std::filesystem::exists(file));
    EXPECT_FALSE(std::filesystem::exists(file + "-tmp"));
  }
  MemorySink sink;  // a pipe cannot be undone, but what it got is no valid stream
  EXPECT_FALSE(export_state(must(store.view()), sink));
  EXPECT_FALSE(check(sink.bytes));
}

TEST(Transfer, AnEmptyStateTravels) {
  const TempDir dir;
  const CommitStore one = open_new(dir / "one");
  must(import(export_bytes(one), dir / "two"));
  CommitStore two = must(CommitStore::open(dir / "two"));
  EXPECT_EQ(two.version(), 0);
  must(Block().slot(1, 1, 1).commit(two));
}

// docs/hazards.md#import-over-rows
TEST(Transfer, AStoreIsReplacedOnlyWithForceAndWhole) {
  const TempDir dir;
  CommitStore one = open_new(dir / "one");
  must(Block().slot(1, 1, 1).commit(one));
  const Bytes bytes = export_bytes(one);
  {
    CommitStore two = open_new(dir / "two");
    fill(two);
    const auto locked = import(bytes, dir / "two", force());
    ASSERT_FALSE(locked);
    EXPECT_EQ(locked.error().code, ErrorCode::locked);
  }
  const auto refused = import(bytes, dir / "two");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(must(CommitStore::open(dir / "two")).version(), 5);
  must(import(bytes, dir / "two", force()));
  const CommitStore two = must(CommitStore::open(dir / "two"));
  EXPECT_EQ(two.committed_roots(), one.committed_roots());
  EXPECT_EQ(must(two.get(Block::slot_key(2, 1))), std::nullopt);
  expect_verified(two);
  EXPECT_FALSE(std::filesystem::exists(dir / "two/gen-00000001"));
}

TEST(Importer, TwentyPairsInFourDatabases) {
  const TempDir dir;
  CommitStore direct = open_new(dir / "direct");
  Block block;
  for (unsigned i = 1; i <= 5; ++i) {
    block.set(to_bytes(nonce_key(Block::address(i))), nonce(i));
    block.set(to_bytes(code_key(Block::address(i))), {static_cast<std::uint8_t>(i)});
    block.slot(i, i, i).set({0x50, static_cast<std::uint8_t>(i)}, {1});
  }
  must(block.commit(direct));
  const Forger rows(direct);
  ASSERT_EQ(rows.rows.size(), 20U);
  Importer importer = must(Importer::begin(dir / "imported"));
  for (const auto& row : rows.rows) {
    const ImportRow one{row.database, row.key, row.value};
    must(importer.add({&one, 1}));
  }
  const auto opened = CommitStore::open(dir / "imported");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::locked);
  EXPECT_EQ(must(importer.finish(1)), direct.committed_roots());
  must(importer.close());
  must(importer.close());
  {
    const Importer gone = std::move(importer);
  }
  const CommitStore imported = must(CommitStore::open(dir / "imported"));
  EXPECT_TRUE(imported.open_report().replayed_blocks == 0 && imported.version() == 1);
  for (const Database database : kDataDatabases) {
    EXPECT_EQ(imported.working_hash(database).value(), direct.working_hash(database).value());
  }
  EXPECT_EQ(imported.working_roots().value(), imported.committed_roots());
  expect_verified(imported);
}

#ifdef FLATKV_FAILPOINTS
// docs/hazards.md#version-before-rows
TEST(Importer, AFailureAtAnyStepLeavesTheOldStore) {
  const TempDir dir;
  CommitStore source = open_new(dir / "source");
  fill(source);
  const Bytes bytes = export_bytes(source);
  Roots old;
  const auto make_old = [&] {
    std::filesystem::remove_all(dir / "s");
    CommitStore store = open_new(dir / "s");
    old = must(Block().slot(7, 7, 7).commit(store));
  };
  make_old();
  failpoint::reset_counts();
  must(import(bytes, dir / "counted"));
  const auto sites = failpoint::counts();
  ASSERT_GT(sites.size(), 10U);
  for (const auto& [site, hits] : sites) {
    for (unsigned nth = 1; nth <= std::min<std::uint64_t>(hits, 3); ++nth) {
      failpoint::arm(site, [] { return Status(fail(ErrorCode::io, "injected")); }, nth);
      const auto done = import(bytes, dir / "s", force());
      failpoint::disarm_all();
      bool is_new = false;
      {
        const CommitStore store = must(CommitStore::open(dir / "s"));
        is_new = store.committed_roots() == source.committed_roots();
        EXPECT_TRUE(is_new || store.committed_roots() == old) << site << " hit " << nth;
        EXPECT_TRUE(!done || is_new) << site;
        expect_verified(store);
      }
      if (is_new) make_old();  // the failure came after the swap
    }
  }
}
#endif

TEST(TransferFiles, TheFirstBytesTellWhetherAFileIsCompressed) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s");
  fill(store);
  const ReadView view = must(store.view());
  must(export_to_file(view, dir / "small.zst"));
  std::filesystem::rename(dir / "small.zst", dir / "small");
  EXPECT_EQ(must(check_file(dir / "small")).roots, view.roots());
  must(import_file(dir / "small", dir / "t"));
  expect_verified(must(CommitStore::open(dir / "t")));

  MemorySink packed;
  packed.bytes = {0x5c, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 'n', 'o'};  // a frame that zstd skips
  ZstdSink zstd(packed);
  must(zstd.write(export_bytes(store)));
  must(zstd.finish());
  std::ofstream(dir / "skippable", std::ios::binary) << as_chars(packed.bytes);
  EXPECT_EQ(must(check_file(dir / "skippable")).roots, view.roots());

  must(export_to_file(view, dir / "plain"));
  std::filesystem::rename(dir / "plain", dir / "plain.zst");
  for (const auto& refused :
       {check_file(dir / "plain.zst"), import_file(dir / "plain.zst", dir / "u")}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::corruption);
  }
}

/// An importer that takes another's place first ends its own import, as a destructor does.
TEST(Importer, AnAssignmentAborts) {
  const TempDir dir;
  CommitStore source = open_new(dir / "source");
  fill(source);
  const Forger rows(source);
  Importer importer = must(Importer::begin(dir / "one"));
  Importer second = must(Importer::begin(dir / "two"));
  importer = std::move(second);
  EXPECT_EQ(CommitStore::open(dir / "one").error().code, ErrorCode::not_found);
  for (const auto& row : rows.rows) {
    const ImportRow one{row.database, row.key, row.value};
    must(importer.add({&one, 1}));
  }
  EXPECT_EQ(must(importer.finish(source.version())), source.committed_roots());
  must(importer.close());
  EXPECT_EQ(must(CommitStore::open(dir / "two")).committed_roots(), source.committed_roots());
}

TEST(TransferFiles, APlaceThatCannotBeLookedAt) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s");
  fill(store, 1);
  const ReadView view = must(store.view());
  const std::string place = dir / std::string(300, 'x');
  const Status refused = export_to_file(view, place, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().path, place);
  EXPECT_NE(refused.error().code, ErrorCode::not_found);
}

// Of a cron job that takes longer than it should, and the next one.
TEST(TransferFiles, AnExportThatAnotherOvertakesGivesTheNameToNothingHalf) {
  const TempDir dir;
  CommitStore store = open_new(dir / "store");
  fill(store);
  const ReadView view = must(store.view());
  const std::string file = dir / "state";
  std::promise<void> begun;
  std::promise<void> goes_on;
  Status second;
  std::jthread other;
  TransferOptions options;
  options.progress = [&](std::string_view, std::uint64_t, std::uint64_t) {
    other = std::jthread([&] {
      TransferOptions slow;
      slow.progress = [&](std::string_view, std::uint64_t, std::uint64_t) {
        begun.set_value();
        goes_on.get_future().wait();
      };
      second = export_to_file(view, file, slow);
    });
    begun.get_future().wait();
  };
  const Status first = export_to_file(view, file, options);
  EXPECT_FALSE(std::filesystem::exists(file)) << "it is the other's, which is not done";
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code, ErrorCode::locked) << first.error().to_string();
  goes_on.set_value();
  other.join();
  ASSERT_TRUE(second) << second.error().to_string();
  EXPECT_TRUE(check_file(file));
}

TEST(TransferFiles, CompressedAndInterrupted) {
  const TempDir dir;
  CommitStore store = open_new(dir / "s");
  fill(store);
  const ReadView view = must(store.view());
  must(export_to_file(view, dir / "plain"));
  must(export_to_file(view, dir / "small.zst"));
  EXPECT_EQ(must(check_file(dir / "plain")).roots, must(check_file(dir / "small.zst")).roots);
  EXPECT_LT(std::filesystem::file_size(dir / "small.zst"),
            std::filesystem::file_size(dir / "plain"));
  must(import_file(dir / "small.zst", dir / "t"));
  expect_verified(must(CommitStore::open(dir / "t")));

  std::stop_source cancel;
  cancel.request_stop();
  TransferOptions options;
  options.stop = cancel.get_token();
  const auto cancelled = check_file(dir / "plain", {}, options);
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, ErrorCode::cancelled);
  const Status not_begun = export_to_file(view, dir / "cancelled", options);
  ASSERT_FALSE(not_begun);
  EXPECT_EQ(not_begun.error().code, ErrorCode::cancelled);
  EXPECT_FALSE(std::filesystem::exists(dir / "cancelled"));
  std::filesystem::resize_file(dir / "small.zst", 900);
  std::filesystem::resize_file(dir / "plain", 9000);
  for (const std::string& file : {dir / "small.zst", dir / "plain"}) {
    for (const auto& refused : {check_file(file), import_file(file, dir / "u")}) {
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, ErrorCode::corruption);
      EXPECT_EQ(refused.error().path, file);
    }
  }
  const auto none = check_file(dir / "none");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace flatkv::transfer

// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <thread>

#include "flatkv/store.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/rollback.hpp"
#include "history/test_support.hpp"

namespace flatkv::test {
namespace {

Result<std::vector<LogBlock>> read_all(LogReader& reader) {
  std::vector<LogBlock> blocks;
  while (true) {
    auto block = reader.next();
    if (!block) return std::unexpected(block.error());
    if (!*block) return blocks;
    blocks.push_back(**block);
  }
}

TEST(LogReader, ReadsBesideTheWriterOldestFirst) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, small_options());
  const auto roots = commit_to(store, 30);
  ASSERT_GT(segments(path).size(), 3U);

  LogReader reader = must(LogReader::open(path, std::nullopt, false));
  EXPECT_EQ(reader.range().base, 0);
  EXPECT_EQ(reader.range().last, 30);
  EXPECT_GT(reader.range().bytes, 10'000U);
  const auto blocks = must(read_all(reader));
  ASSERT_EQ(blocks.size(), 30U);
  for (const LogBlock& block : blocks) {
    EXPECT_EQ(block.record.roots, roots.at(block.record.version));
    EXPECT_TRUE(block.change_sets().empty());
  }
  LogReader from = must(LogReader::open(path, 17, false));
  EXPECT_EQ(from.range().base, 0);
  EXPECT_EQ(must(from.next())->record.version, 17);
  EXPECT_FALSE(must(must(LogReader::open(path, 31, false)).next()).has_value());
  const auto beyond = LogReader::open(path, 32, false);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, ErrorCode::log_gap);
}

TEST(LogReader, GivesTheChangeSetsAsTheyCame) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, small_options());
  const Bytes key = Block::slot_key(1, 2);
  const Bytes value = Block::word(3);
  const std::vector<KVPair> one = {{key, value, false}, {key, {}, true}};
  const std::vector<KVPair> two = {{key, {}, false}};
  const std::vector<NamedChangeSet> first = {{"bank", one}, {kEvmModule, one}, {kEvmModule, {}}};
  const std::vector<NamedChangeSet> second = {{kEvmModule, two}};
  must(store.apply(first));
  must(store.apply(second));
  must(store.commit(1));

  LogReader reader = must(LogReader::open(path, std::nullopt, true));
  const auto block = must(reader.next());
  ASSERT_TRUE(block.has_value());
  ASSERT_EQ(block->change_sets().size(), 3U);
  EXPECT_EQ(block->change_sets()[0].pairs.size(), 2U);
  EXPECT_TRUE(block->change_sets()[0].pairs[1].remove);
  EXPECT_EQ(to_bytes(block->change_sets()[0].pairs[0].value), value);
  EXPECT_EQ(block->change_sets()[1].pairs.size(), 0U);
  EXPECT_FALSE(block->change_sets()[2].pairs[0].remove);

  // What the log keeps of a block, made from the change sets.
  std::vector<NamedChangeSet> all = first;
  all.insert(all.end(), second.begin(), second.end());
  EXPECT_EQ(must(block_digest(1, all)), block->record.payload_digest);
  EXPECT_NE(must(block_digest(2, all)), block->record.payload_digest);
  EXPECT_NE(must(block_digest(1, second)), block->record.payload_digest);
}

// docs/hazards.md#reader-repairs-the-log
TEST(LogReader, AnUnfinishedLastRecordIsTheEndAndStaysAsItIs) {
  TempDir dir;
  const std::string path = dir / "s";
  const auto roots = make_closed(path, 10);
  std::filesystem::remove(live_generation(path) + "/CLEAN");
  const std::string last = segments(path).back();
  std::filesystem::resize_file(last, std::filesystem::file_size(last) - 3);
  const std::string before = tree_digest(path);
  LogReader reader = must(LogReader::open(path, std::nullopt, true));
  EXPECT_EQ(must(read_all(reader)).size(), 9U);
  EXPECT_EQ(tree_digest(path), before);
}

TEST(LogReader, DamageBelowValidRecordsIsNoEnd) {
  TempDir dir;
  const std::string path = dir / "s";
  make_closed(path, 12);
  damage_at(segments(path)[1], 200);
  LogReader reader = must(LogReader::open(path, std::nullopt, false));
  const auto blocks = read_all(reader);
  ASSERT_FALSE(blocks);
  EXPECT_EQ(blocks.error().code, ErrorCode::corruption);
  EXPECT_TRUE(blocks.error().offset.has_value());
}

/// A payload of a segment that is not the last: the walk follows headers, so only the read finds
/// it.
TEST(LogReader, ADamagedPayloadIsToldUntilItIsWhole) {
  TempDir dir;
  const std::string path = dir / "s";
  make_closed(path, 12);
  const std::string segment = segments(path)[1];
  const auto flip = [&] {
    std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
    const auto last = static_cast<std::streamoff>(std::filesystem::file_size(segment)) - 1;
    file.seekg(last);
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(last);
    file.put(byte);
  };
  flip();
  LogReader reader = must(LogReader::open(path, std::nullopt, true));
  std::int64_t read = 0;
  std::optional<Error> bad;
  while (!bad) {
    const auto block = reader.next();
    if (!block) {
      bad = block.error();
    } else {
      ASSERT_TRUE(*block) << "the damage was taken for the end";
      EXPECT_EQ((*block)->record.version, ++read);
    }
  }
  EXPECT_GT(read, 1);
  EXPECT_LT(read, 11);
  EXPECT_EQ(bad->code, ErrorCode::corruption);
  EXPECT_EQ(bad->path, segment);
  EXPECT_EQ(bad->version, read + 1);
  EXPECT_TRUE(bad->offset.has_value());
  // It is said again, and nothing is skipped.
  const auto again = reader.next();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().to_string(), bad->to_string());
  flip();
  const auto rest = must(read_all(reader));
  ASSERT_EQ(std::ssize(rest), 12 - read);
  EXPECT_EQ(rest.front().record.version, read + 1);
}

TEST(LogReader, WithoutALogNothingIsRead) {
  TempDir dir;
  const std::string path = dir / "s";
  make_closed(path, 3);
  for (const std::string& segment : segments(path)) std::filesystem::remove(segment);
  const auto reader = LogReader::open(path, std::nullopt, false);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, ErrorCode::corruption);
  EXPECT_EQ(reader.error().message, "there is no changelog");
  EXPECT_EQ(reader.error().path, live_generation(path) + "/changelog");
}

TEST(LogReader, SyncsTheSegmentOfWhatItReturned) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, small_options());
  commit_to(store, 3);
  LogReader reader = must(LogReader::open(path, std::nullopt, false));
  must(reader.sync());  // nothing was returned
  must(reader.next());
  const std::string segment = segments(path).front();
  // Whatever cannot be opened is not synced, and that is said.
  std::filesystem::rename(segment, segment + "-away");
  std::filesystem::create_directory(segment);
  const Status failed = reader.sync();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::io) << failed.error().to_string();
  EXPECT_EQ(failed.error().path, segment);
  // A segment that was pruned meanwhile was synced by its writer.
  std::filesystem::remove(segment);
  must(reader.sync());
  std::filesystem::rename(segment + "-away", segment);
  must(reader.sync());
}

TEST(LogReader, FollowsAWriterAcrossSegments) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, small_options());
  auto roots = commit_to(store, 3);
  for (const bool with_changes : {false, true}) {
    const std::int64_t last = store.version();
    LogReader reader = must(LogReader::open(path, last + 1, with_changes));
    EXPECT_FALSE(must(reader.next()).has_value());
    EXPECT_FALSE(must(reader.next()).has_value());
    roots.merge(commit_to(store, last + 1));
    EXPECT_EQ(must(reader.next())->record.version, last + 1);
    EXPECT_FALSE(must(reader.next()).has_value());
    const std::size_t before = segments(path).size();
    roots.merge(commit_to(store, last + 30));
    ASSERT_GT(segments(path).size(), before + 2);
    const auto blocks = must(read_all(reader));
    ASSERT_EQ(blocks.size(), 29U);
    for (const LogBlock& block : blocks) {
      EXPECT_EQ(block.record.roots, roots.at(block.record.version));
      EXPECT_EQ(block.change_sets().empty(), !with_changes);
    }
    EXPECT_EQ(blocks.back().record.version, last + 30);
  }
}

TEST(LogReader, FollowsThroughACloseAndAnotherOpen) {
  TempDir dir;
  const std::string path = dir / "s";
  make_closed(path, 5);
  LogReader reader = must(LogReader::open(path, std::nullopt, false));
  EXPECT_EQ(must(read_all(reader)).size(), 5U);
  CommitStore store = must(CommitStore::open(path, small_options()));
  commit_to(store, 25);
  EXPECT_EQ(must(read_all(reader)).size(), 20U);
}

TEST(LogReader, ARecordThatIsBeingWrittenIsNoneYet) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, small_options());
  commit_to(store, 4);
  LogReader reader = must(LogReader::open(path, 5, true));
  // The next record half-written: its bytes are cut off behind the reader's back.
  commit_to(store, 5);
  const std::string segment = segments(path).back();
  const auto whole = std::filesystem::file_size(segment);
  std::string bytes;
  {
    std::ifstream in(segment, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  for (const std::uintmax_t cut : {1U, 100U}) {
    std::filesystem::resize_file(segment, whole - cut);
    EXPECT_FALSE(must(reader.next()).has_value()) << cut;
  }
  std::ofstream(segment, std::ios::binary | std::ios::in).write(bytes.data(), std::ssize(bytes));
  EXPECT_EQ(must(reader.next())->record.version, 5);
}

/// Whether a rollback undoes the blocks in place or builds a generation.
class LogReaderUndone : public testing::TestWithParam<bool> {
 protected:
  static Options options() {
    Options options = small_options();
    options.rollback_depth = GetParam() ? 16 : 0;
    return options;
  }
};
INSTANTIATE_TEST_SUITE_P(InPlaceOrNot, LogReaderUndone, testing::Bool());

TEST_P(LogReaderUndone, GoesOnAfterARollbackToWhatItRead) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, options());
  commit_to(store, 6);
  LogReader reader = must(LogReader::open(path, std::nullopt, false));
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(must(reader.next()).has_value());
  commit_to(store, 9);
  must(store.rollback(6));
  const auto other = commit_to(store, 8, 1000);
  const auto blocks = must(read_all(reader));
  ASSERT_EQ(blocks.size(), 2U);
  EXPECT_EQ(blocks[0].record.roots, other.at(7));
  EXPECT_EQ(blocks[1].record.roots, other.at(8));
}

TEST_P(LogReaderUndone, ARollbackBelowWhatItReadEndsIt) {
  TempDir dir;
  const std::string path = dir / "s";
  CommitStore store = open_new(path, options());
  commit_to(store, 6);
  LogReader reader = must(LogReader::open(path, std::nullopt, false));
  EXPECT_EQ(must(read_all(reader)).size(), 6U);
  must(store.rollback(4));
  for (int i = 0; i < 2; ++i) {
    const auto gone = reader.next();
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, ErrorCode::version_mismatch);
    EXPECT_EQ(gone.error().version, 6);
    commit_to(store, 9, 1000);  // a different version 6 than the one read
  }
}

/// The other branch is longer than what was read, and its records begin elsewhere.
TEST_P(LogReaderUndone, ALongerBranchEndsItToo) {
  for (const std::uint64_t segment_bytes : {4U << 10, 64U << 20}) {
    TempDir dir;
    const std::string path = dir / "s";
    Options given = options();
    given.segment_bytes = segment_bytes;
    CommitStore store = open_new(path, given);
    commit_to(store, 10);
    LogReader reader = must(LogReader::open(path, std::nullopt, false));
    EXPECT_EQ(must(read_all(reader)).size(), 10U);
    must(store.rollback(4));
    commit_to(store, 30, 1000);
    const auto gone = reader.next();
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, ErrorCode::version_mismatch) << gone.error().to_string();
  }
}

/// The log that a rollback begins at a snapshot holds no record of the block that was read last,
/// only its digest.
TEST(LogReader, GoesOnInALogThatBeginsWhereItStands) {
  TempDir dir;
  const std::string path = dir / "s";
  std::optional<CommitStore> store = open_new(path, small_options());
  commit_to(*store, 6);
  must(store->snapshot());
  LogReader reader = must(LogReader::open(path, std::nullopt, false));
  EXPECT_EQ(must(read_all(reader)).size(), 6U);
  commit_to(*store, 12);
  must(store->close());
  store.reset();
  std::filesystem::remove_all(live_generation(path) + "/changelog");
  std::filesystem::remove_all(live_generation(path) + "/working/code");
  must(rollback(path, 6));
  store = must(CommitStore::open(path, small_options()));
  const auto other = commit_to(*store, 8, 1000);
  const auto blocks = must(read_all(reader));
  ASSERT_EQ(blocks.size(), 2U);
  EXPECT_EQ(blocks[0].record.version, 7);
  EXPECT_EQ(blocks[1].record.roots, other.at(8));
}

TEST(LogReader, AnotherStoreInItsPlaceEndsIt) {
  for (const bool same_generation : {false, true}) {
    TempDir dir;
    const std::string path = dir / "s";
    Options options = small_options();
    options.rollback_depth = 0;  // a rollback builds a generation
    {
      CommitStore store = open_new(path, options);
      commit_to(store, 6);
      CommitStore other = open_new(dir / "other", options);
      commit_to(other, 9);
      if (!same_generation) must(other.rollback(7));
      commit_to(other, 9);
    }
    LogReader reader = must(LogReader::open(path, std::nullopt, false));
    EXPECT_EQ(must(read_all(reader)).size(), 6U);
    std::filesystem::remove_all(path);
    std::filesystem::rename(dir / "other", path);
    for (int i = 0; i < 2; ++i) {
      const auto gone = reader.next();
      ASSERT_FALSE(gone) << same_generation;
      EXPECT_EQ(gone.error().code, ErrorCode::foreign_store) << gone.error().to_string();
      EXPECT_TRUE(gone.error().path.starts_with(path)) << gone.error().path;
    }
  }
}

TEST(LogReader, WhatWasPrunedBeforeItWasReadIsAGap) {
  TempDir dir;
  const std::string path = dir / "s";
  Options options = small_options();
  options.snapshot.keep = 0;
  CommitStore store = open_new(path, options);
  commit_to(store, 6);
  LogReader reader = must(LogReader::open(path, 7, false));
  commit_to(store, 60);
  must(store.snapshot());  // prunes the log below it
  const auto gone = reader.next();
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, ErrorCode::log_gap);
  EXPECT_EQ(gone.error().version, 7);
}

TEST(RootsAt, FromLogSnapshotAndNowhereElse) {
  TempDir dir;
  const std::string path = dir / "s";
  Options options = small_options();
  options.snapshot.keep = 1;
  CommitStore store = open_new(path, options);
  auto roots = commit_to(store, 1);
  const Roots empty = must(roots_at(path, 0)).roots;
  EXPECT_EQ(empty.root, empty.account);
  EXPECT_EQ(must(roots_at(path, std::nullopt)).version, 1);
  roots.merge(commit_to(store, 20));
  must(store.snapshot());
  roots.merge(commit_to(store, 40));
  must(store.snapshot());
  roots.merge(commit_to(store, 45));
  EXPECT_EQ(must(roots_at(path, std::nullopt)).version, 45);
  for (const std::int64_t version : {20, 21, 39, 40, 44, 45}) {
    EXPECT_EQ(must(roots_at(path, version)).roots, roots.at(version)) << version;
  }
  for (const std::int64_t version : {0, 2, 46}) {
    const auto none = roots_at(path, version);
    ASSERT_FALSE(none) << version;
    EXPECT_EQ(none.error().code, ErrorCode::version_mismatch);
    EXPECT_NE(none.error().message.find(" to 45"), std::string::npos) << none.error().message;
  }
  EXPECT_EQ(roots_at(dir / "nothing", std::nullopt).error().code, ErrorCode::not_found);
}

TEST(RootsAt, ALogThatLostItsEndIsNotTheCommittedVersion) {
  TempDir dir;
  const std::string path = dir / "s";
  const auto roots = make_closed(path, 12);
  const std::string last = segments(path).back();
  std::filesystem::remove(last);
  // An open continues from the databases, which lost nothing.
  const RootsAt found = must(roots_at(path, std::nullopt));
  EXPECT_EQ(found.version, 12);
  EXPECT_EQ(found.roots, roots.at(12));
  EXPECT_EQ(must(CommitStore::open(path, small_options())).version(), 12);
}

TEST(RootsAt, ALogThatLostItsEndBelowNoDatabaseIsRefused) {
  TempDir dir;
  const std::string path = dir / "s";
  make_closed(path, 12);
  std::filesystem::remove(segments(path).back());
  std::filesystem::remove_all(path + "/gen-00000001/working/code");
  const auto found = roots_at(path, std::nullopt);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::log_behind);
}

TEST(RootsAt, NoLogIsNoVersion) {
  TempDir dir;
  const std::string path = dir / "s";
  const auto roots = make_closed(path, 12);
  for (const std::string& segment : segments(path)) std::filesystem::remove(segment);
  // CLEAN tells that nothing was lost with it.
  EXPECT_EQ(must(roots_at(path, std::nullopt)).roots, roots.at(12));
  std::filesystem::remove(live_generation(path) + "/CLEAN");
  const auto found = roots_at(path, std::nullopt);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::corruption);
  EXPECT_NE(found.error().message.find("there is no changelog"), std::string::npos);
  EXPECT_EQ(found.error().path, live_generation(path) + "/changelog");
}

/// Readers meet segments that are being cut or removed. That is no damage.
TEST(BesideUndos, ReadersFindNoDamage) {
  for (const std::uint64_t segment_bytes : {std::uint64_t{3000}, std::uint64_t{64} << 20}) {
    TempDir dir;
    const std::string path = dir / "s";
    Options options = small_options();
    options.rollback_depth = 16;
    options.segment_bytes = segment_bytes;
    CommitStore store = open_new(path, options);
    const auto expected = [](const Error& error) {
      return error.code == ErrorCode::version_mismatch || error.code == ErrorCode::log_gap ||
             error.code == ErrorCode::locked;
    };
    std::atomic<bool> over = false;
    std::atomic<int> looks = 0;
    std::jthread follower([&] {
      while (!over) {
        auto reader = LogReader::open(path, std::nullopt, true);
        while (reader && !over) {
          auto block = reader->next();
          ++looks;
          if (block) continue;
          EXPECT_TRUE(expected(block.error())) << block.error().to_string();
          break;
        }
        if (!reader) {
          EXPECT_TRUE(expected(reader.error())) << reader.error().to_string();
        }
      }
    });
    std::jthread opener([&] {
      while (!over) {
        const auto clone = ReadOnlyStore::open(path);
        ++looks;
        if (!clone) {
          EXPECT_TRUE(expected(clone.error())) << clone.error().to_string();
        }
      }
    });
    for (std::uint32_t undos = 0; undos < 1000 || looks < 1000; ++undos) {
      commit_to(store, store.version() + 3, undos);
      must(store.rollback(store.version() - 2));
    }
    over = true;
  }
}

}  // namespace
}  // namespace flatkv::test

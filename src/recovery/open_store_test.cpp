// SPDX-License-Identifier: Apache-2.0
// What an open, an undo and their helpers make of stores that lack something, or have too much.
#include "recovery/open_store.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <stdexcept>

#include "changelog/clean_marker.hpp"
#include "changelog/record.hpp"
#include "layout/test_support.hpp"
#include "recovery/create.hpp"
#include "recovery/generation_builder.hpp"
#include "recovery/live_generation.hpp"

namespace flatkv::recovery {
namespace {

namespace stdfs = std::filesystem;
using layout::fails_with;
using layout::slurp;
using layout::spill;
using layout::succeeds;

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

class OpenStore : public testing::Test {
 protected:
  OpenStore() { options_.create_if_missing = true; }

  std::string path() const { return directory_ / "s"; }
  std::string generation() const {
    return must(find_live_generation(fs::posix(), path())).generation;
  }
  std::string log() const { return layout::changelog_path(generation()); }
  std::string working(Database which) const {
    return layout::database_path(layout::working_path(generation()), which);
  }
  std::string snapshot(std::int64_t version) const {
    return layout::snapshot_path(generation(), version);
  }
  std::vector<std::string> segments() const {
    std::vector<std::string> found;
    for (const auto& entry : stdfs::directory_iterator(log())) {
      if (changelog::parse_segment_name(entry.path().filename().string())) {
        found.push_back(entry.path().string());
      }
    }
    std::ranges::sort(found);
    return found;
  }
  void remove_clean() const { must(changelog::remove_clean(fs::posix(), generation())); }

  Result<Opened> try_open() const { return open_store({}, path(), options_); }
  std::unique_ptr<commit::Core> open() {
    Opened opened = must(try_open());
    report_ = std::move(opened.report);
    return std::move(opened.core);
  }
  /// The next block: a row for each data database.
  static Roots block(commit::Core& core, std::size_t code_bytes = 100) {
    const std::int64_t version = core.state()->version + 1;
    const auto number = static_cast<std::uint8_t>(version);
    Address address{};
    address.fill(number);
    const Bytes nonce(8, number);
    const Bytes word(32, number);
    const Bytes code(code_bytes, number);
    const Bytes legacy{0x99, number};
    const auto nonce_row = nonce_key(address);
    const auto code_row = code_key(address);
    const auto slot_row = storage_key(address, Slot{});
    const KVPair pairs[] = {{nonce_row, nonce}, {code_row, code}, {slot_row, word}, {legacy, word}};
    const NamedChangeSet set{kEvmModule, pairs};
    must(core.apply({&set, 1}));
    return must(core.commit(version));
  }
  Roots blocks(int count) {
    const auto core = open();
    Roots roots;
    for (int i = 0; i < count; ++i) roots = block(*core);
    must(core->close());
    return roots;
  }
  void expect_open_at(std::int64_t version, const Roots& roots) {
    const auto core = open();
    EXPECT_EQ(core->state()->version, version);
    EXPECT_EQ(core->state()->roots, roots);
    block(*core);  // and it goes on from there
    must(core->close());
  }
  /// Changes a metadata value of a closed database, as an older or a wrong program may have.
  void put_meta(Database which, std::string_view name, ByteView value) const {
    rocks::DbOptions options;
    options.path = working(which);
    options.which = which;
    const auto db = must(rocks::Db::open(options, rocks::Db::Mode::read_write));
    auto table = must(rocks::TableWriter::create(options, directory_ / "meta.sst"));
    must(table.put_meta(name, value));
    must(table.finish());
    must(db->ingest({directory_ / "meta.sst"}));
  }
  /// LocalMeta as it was before hashes were kept.
  void make_old_form(Database which, std::int64_t version) const {
    put_meta(which, rocks::kLocalKey, codec::encode_version(version));
  }
  /// A store at version 3 of whose roots nothing tells but the metadata database: its log begins
  /// there, and snapshot and CLEAN are gone.
  Roots begin_known_by_metadata_alone() {
    const Roots roots = blocks(3);
    for (const std::string& segment : segments()) stdfs::remove(segment);
    const auto core = open();
    EXPECT_TRUE(report_.lost_log_tail);
    EXPECT_EQ(core->state()->version, 3);
    must(core->close());
    remove_clean();
    stdfs::remove_all(snapshot(3));
    return roots;
  }

  const fs::TestDirectory directory_;
  Options options_;
  OpenReport report_;
};

// docs/specification.md#backfill
TEST_F(OpenStore, TheMetadataDatabaseProvesABackfill) {
  const Roots roots = begin_known_by_metadata_alone();
  make_old_form(Database::account, 3);
  make_old_form(Database::storage, 3);
  const auto core = open();
  EXPECT_EQ(report_.backfilled, (std::vector{Database::account, Database::storage}));
  EXPECT_FALSE(report_.clean);
  EXPECT_EQ(core->state()->roots, roots);
  must(core->close());
  expect_open_at(3, roots);
  EXPECT_TRUE(report_.clean);
}

TEST_F(OpenStore, ABackfillThatTheMetadataDatabaseContradictsIsRefused) {
  begin_known_by_metadata_alone();
  make_old_form(Database::storage, 3);
  LtHash other;
  other.limbs()[7] = 1;
  put_meta(Database::metadata, rocks::kMetaHashKey, other.serialize());
  EXPECT_TRUE(fails_with(try_open(), ErrorCode::corruption, "a full scan gives the checksum"));
}

TEST_F(OpenStore, ABackfillThatNothingProvesIsRefused) {
  begin_known_by_metadata_alone();
  make_old_form(Database::storage, 3);
  stdfs::remove_all(working(Database::metadata));
  const auto opened = try_open();
  EXPECT_TRUE(
      fails_with(opened, ErrorCode::corruption, "nothing tells what a full scan should give"));
  EXPECT_TRUE(fails_with(opened, ErrorCode::corruption, "the changelog does not lead on from it"));
}

TEST_F(OpenStore, ADatabaseWithoutLocalMetaIsNotUsed) {
  const Roots roots = blocks(3);
  stdfs::remove_all(working(Database::legacy));
  rocks::DbOptions options;
  options.path = working(Database::legacy);
  options.which = Database::legacy;
  must(rocks::Db::open(options, rocks::Db::Mode::create));
  expect_open_at(3, roots);
  EXPECT_TRUE(report_.rebuilt_working_copy);
}

TEST_F(OpenStore, WithoutALogTheWaysOutAreNamedOrThatThereIsNone) {
  blocks(2);
  remove_clean();
  for (const std::string& segment : segments()) stdfs::remove(segment);
  EXPECT_TRUE(fails_with(try_open(), ErrorCode::log_behind, "`flatkv rollback STORE 0`"));
  stdfs::remove_all(snapshot(0));
  EXPECT_TRUE(fails_with(try_open(), ErrorCode::log_behind, "no snapshot is left to go back to"));
}

// As after a backup that was put back, but for one directory.
TEST_F(OpenStore, AMetadataDatabaseAheadOfAllElseTellsThatBlocksAreLost) {
  blocks(3);
  const std::string before = directory_ / "before";
  const std::string later = directory_ / "later";
  stdfs::copy(path(), before, stdfs::copy_options::recursive);
  blocks(2);
  stdfs::copy(working(Database::metadata), later, stdfs::copy_options::recursive);
  stdfs::remove_all(path());
  stdfs::copy(before, path(), stdfs::copy_options::recursive);
  stdfs::remove_all(working(Database::metadata));
  stdfs::copy(later, working(Database::metadata), stdfs::copy_options::recursive);
  EXPECT_TRUE(fails_with(try_open(), ErrorCode::log_behind, "version 5 is known to be durable"));
}

TEST_F(OpenStore, OfTheSnapshotsTheNewestThatServesReplacesTheCopy) {
  options_.segment_bytes = 1;  // a block each
  Roots roots;
  {
    const auto core = open();
    block(*core);
    block(*core);
    must(core->snapshot());
    block(*core);
    roots = block(*core);
    must(core->close());
  }
  const std::string before = directory_ / "before";
  const auto go_back = [&] {
    stdfs::remove_all(path());
    stdfs::copy(before, path(), stdfs::copy_options::recursive);
  };
  stdfs::remove_all(working(Database::code));
  stdfs::copy(path(), before, stdfs::copy_options::recursive);
  expect_open_at(4, roots);
  EXPECT_TRUE(report_.rebuilt_working_copy);
  EXPECT_EQ(report_.replayed_blocks, 2);

  go_back();
  stdfs::remove_all(layout::database_path(snapshot(2), Database::code));
  expect_open_at(4, roots);
  EXPECT_TRUE(report_.rebuilt_working_copy);
  EXPECT_EQ(report_.replayed_blocks, 4);

  // The log no longer leads on from the first one.
  go_back();
  stdfs::remove_all(layout::database_path(snapshot(2), Database::code));
  ASSERT_GE(segments().size(), 4U);
  stdfs::remove(segments()[1]);
  EXPECT_TRUE(fails_with(try_open(), ErrorCode::corruption,
                         layout::snapshot_name(0) + ": the changelog does not lead on from it"));
}

// Believed, it would hide the blocks above it.
TEST_F(OpenStore, ACleanThatWasPutBackBesideALongerLogIsNotBelieved) {
  options_.segment_bytes = 1;
  blocks(2);
  const Bytes clean = slurp(generation() + "/CLEAN");
  ASSERT_FALSE(clean.empty());
  options_.rollback_depth = 100;  // the blocks stay in the log
  const Roots roots = blocks(2);
  spill(generation() + "/CLEAN", clean);
  const auto core = open();
  EXPECT_FALSE(report_.clean);
  EXPECT_EQ(core->state()->version, 4);
  EXPECT_EQ(core->state()->roots, roots);
}

TEST_F(OpenStore, ReplayedBlocksAreUndoneDownToWhereTheLogBegins) {
  options_.rollback_depth = 10;
  Roots first;
  {
    const auto core = open();
    first = block(*core);
    block(*core);
    block(*core);
    must(core->close());
  }
  {
    const auto core = open();
    EXPECT_EQ(report_.replayed_blocks, 3);
    EXPECT_EQ(core->metrics().undo_floor, 0);
    EXPECT_TRUE(must(core->undo(0)));
    EXPECT_EQ(core->state()->version, 0);
    EXPECT_EQ(core->state()->roots, layout::roots_of(PerDataDatabase<LtHash>()));
    EXPECT_EQ(block(*core), first);
    EXPECT_TRUE(must(core->undo(0)));
    must(core->close());
  }
  expect_open_at(0, layout::roots_of(PerDataDatabase<LtHash>()));
  expect_open_at(1, first);
}

TEST_F(OpenStore, TheUndoFloorIsToldFromTheBeginning) {
  blocks(3);
  options_.rollback_depth = 10;
  const auto core = open();
  EXPECT_EQ(core->metrics().undo_floor, 3);
}

TEST_F(OpenStore, ASnapshotPrunesTheLogOfAStoreThatNobodyFollows) {
  options_.segment_bytes = 1;
  options_.snapshot.keep = 0;
  Roots roots;
  {
    const auto core = open();
    for (int i = 0; i < 4; ++i) roots = block(*core);
    EXPECT_GE(segments().size(), 4U);
    must(core->snapshot());
    EXPECT_LE(segments().size(), 1U);
    EXPECT_FALSE(stdfs::exists(snapshot(0)));
    must(core->close());
  }
  expect_open_at(4, roots);
}

// Such a block is staged alone, and those after it must not wait for ever.
TEST_F(OpenStore, HugeBlocksAreReplayedBetweenOthers) {
  options_.rollback_depth = 10;
  Roots roots;
  {
    const auto core = open();
    for (const std::size_t mebibytes : {1U, 20U, 20U, 1U, 20U, 1U}) {
      roots = block(*core, mebibytes << 20);
    }
    must(core->flush(true));
    must(core->close());
  }
  stdfs::remove_all(working(Database::legacy));  // all is replayed
  expect_open_at(6, roots);
  EXPECT_EQ(report_.replayed_blocks, 6);
}

TEST_F(OpenStore, NothingIsCreatedWhereItIsNotKnownWhichStoreThereWas) {
  blocks(1);
  stdfs::copy(generation(), path() + "/gen-00000002", stdfs::copy_options::recursive);
  stdfs::remove(path() + "/CURRENT");
  EXPECT_TRUE(fails_with(create_store({}, path(), {}), ErrorCode::corruption));
  EXPECT_TRUE(fails_with(try_open(), ErrorCode::corruption));
  EXPECT_FALSE(stdfs::exists(path() + "/CURRENT"));
  EXPECT_FALSE(stdfs::exists(path() + "/gen-00000003"));
}

TEST_F(OpenStore, DamageUnderARunningWriterIsReportedAfterAFewLooks) {
  options_.segment_bytes = 1;
  blocks(3);
  Bytes second = slurp(segments().at(1));
  second.at(changelog::kSegmentHeaderBytes + 10) ^= 1;
  spill(segments().at(1), second);
  const LiveGeneration place = must(find_live_generation(fs::posix(), path()));
  const auto manifest = must(layout::read_manifest(fs::posix(), place.generation));
  const auto lock = must(layout::StoreLock::take(fs::posix(), place.store));
  const auto walk = must(walk_log(fs::posix(), place, manifest.store, 0));
  ASSERT_TRUE(walk);
  ASSERT_TRUE(walk->damage);
  EXPECT_TRUE(walk->damage->valid_above);
  EXPECT_EQ(walk->tip.version, 1);
}

TEST_F(OpenStore, CleanIsNotWrittenBesideALogThatEndsElsewhere) {
  stdfs::create_directory(path());
  const layout::Manifest manifest;
  const state::Environment environment;
  auto builder =
      must(GenerationBuilder::begin(environment, path(), {}, layout::Purpose::rollback, manifest));
  must(builder.new_log({5, {}}));
  for (const std::int64_t wrong : {4, 6}) {
    EXPECT_TRUE(fails_with(builder.leave_clean(wrong, {}), ErrorCode::corruption,
                           "does not end at the version"));
    EXPECT_FALSE(stdfs::exists(builder.path() + "/CLEAN"));
  }
  EXPECT_TRUE(succeeds(builder.leave_clean(5, {})));
  EXPECT_TRUE(stdfs::exists(builder.path() + "/CLEAN"));
}

}  // namespace
}  // namespace flatkv::recovery

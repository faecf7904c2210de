// SPDX-License-Identifier: Apache-2.0
// What an open, an undo and their helpers make of stores that lack something, or have too much.
#include "recovery/open_store.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "recovery/create.hpp"
#include "recovery/generation_builder.hpp"
#include "recovery/replay.hpp"
#include "recovery/rollback.hpp"
#include "recovery/test_support.hpp"
#include "scan/scan.hpp"

namespace flatkv::recovery {
namespace {

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

// docs/specification.md#agreement-of-the-metadata
TEST_F(OpenStore, AMetadataDatabaseThatDisagreesIsRefused) {
  blocks(3);
  LtHash other;
  other.limbs()[7] = 1;
  const std::string before = directory_ / "before";
  stdfs::copy(path(), before, stdfs::copy_options::recursive);
  for (const bool clean : {false, true}) {
    stdfs::remove_all(path());
    stdfs::copy(before, path(), stdfs::copy_options::recursive);
    if (!clean) remove_clean();
    put_meta(Database::metadata, rocks::meta_hash_key(Database::code), other.serialize());
    const auto copied = try_open();
    ASSERT_TRUE(fails_with(copied, ErrorCode::corruption, "the metadata database has"));
    EXPECT_EQ(copied.error().database, Database::code);
    EXPECT_EQ(copied.error().version, 3);

    stdfs::remove_all(path());
    stdfs::copy(before, path(), stdfs::copy_options::recursive);
    if (!clean) remove_clean();
    put_meta(Database::metadata, rocks::kMetaHashKey, other.serialize());
    const auto sum = try_open();
    ASSERT_TRUE(fails_with(sum, ErrorCode::corruption, "the four databases add up to the root"));
    EXPECT_EQ(sum.error().version, 3);
  }
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

TEST_F(OpenStore, RowsOfUndoneBlocksComeIntoNoDatabase) {
  options_.rollback_depth = 10;
  const auto expect_rows_of_roots = [](const commit::Core& core) {
    for (const Database which : kDataDatabases) {
      const state::DbState& own = core.state()->of(which);
      const auto scanned = must(scan::scan_snapshot(own.snapshot, {}));
      EXPECT_EQ(scanned.hash, *own.hash) << to_string(which);
      EXPECT_EQ(scanned.stats, own.stats) << to_string(which);
    }
  };
  const auto core = open();
  block(*core);
  block(*core);
  EXPECT_TRUE(must(core->undo(1)));
  block_of(*core, 9);
  must(core->flush(true));
  expect_rows_of_roots(*core);
  for (int i = 0; i < 4; ++i) block(*core);
  EXPECT_TRUE(must(core->undo(4)));
  must(core->flush(true));
  EXPECT_EQ(core->state()->version, 4);
  expect_rows_of_roots(*core);
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
    const commit::SnapshotCounts told = core->figures().snapshots;
    EXPECT_EQ(told.written, 1U);
    EXPECT_EQ(told.failed, 0U);
    EXPECT_FALSE(told.last_failed);
    EXPECT_EQ(told.last_version, 4);
    EXPECT_GT(told.last_time, 0);
    EXPECT_GT(told.last_nanoseconds, 0U);
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

// Of what a killed process left, the last record may be torn. Of a running writer's it is not: what
// it wrote is still in memory.
TEST_F(OpenStore, TheLastPayloadIsCheckedUnlessAWriterIsAtIt) {
  blocks(3);
  remove_clean();
  Bytes last = slurp(segments().back());
  last.back() ^= 1;
  spill(segments().back(), last);
  LiveGeneration place = must(find_live_generation(fs::posix(), path()));
  const auto manifest = must(layout::read_manifest(fs::posix(), place.generation));
  const auto tip = [&] {
    return must(walk_log(fs::posix(), place, manifest.store, 0))->tip.version;
  };
  EXPECT_EQ(tip(), 2);
  const auto lock = must(layout::StoreLock::take(fs::posix(), place.store));
  EXPECT_EQ(tip(), 3);
  place.held = true;  // the lock is the caller's own
  EXPECT_EQ(tip(), 2);
}

TEST_F(OpenStore, NoLinkIsFollowedInsideAStore) {
  blocks(1);
  const std::string target = directory_ / "target";
  spill(target, std::string("elsewhere"));
  for (const std::string& inside : {log(), layout::flush_path(generation()),
                                    working(Database::code), working(Database::metadata)}) {
    for (const std::string& to : {target, directory_.path(), directory_ / "nowhere"}) {
      const std::string link = inside + "/link";
      stdfs::create_symlink(to, link);
      const auto opened = try_open();
      EXPECT_TRUE(fails_with(opened, ErrorCode::corruption, "no link is followed")) << link;
      EXPECT_TRUE(fails_with(opened, ErrorCode::corruption, link));
      stdfs::remove(link);
    }
  }
  must(try_open());
}

TEST_F(OpenStore, ALogThatEndsBeforeTheVersionWantedIsAGap) {
  blocks(3);
  const auto core = open();
  const auto manifest = must(layout::read_manifest(fs::posix(), generation()));
  changelog::SurveyOptions survey;
  survey.store = manifest.store;
  const auto walk = must(changelog::walk_segments(fs::posix(), log(), survey));
  ASSERT_TRUE(walk);
  auto reader = must(changelog::Reader::open(fs::posix(), log(), *walk, manifest.store, 4, true));
  const auto replayed = replay_records(*core, reader, log(), 5, {});
  ASSERT_TRUE(fails_with(replayed, ErrorCode::log_gap, log()));
  EXPECT_EQ(replayed.error().version, 4);
  EXPECT_EQ(core->state()->version, 3);
}

TEST_F(OpenStore, AReplayedBlockMustGiveTheRootsOfItsRecord) {
  Roots roots;
  {
    const auto core = open();
    block(*core);
    must(core->snapshot());
    block(*core);
    roots = block(*core);
    must(core->close());
  }
  RecoveryAnalysis found;
  must(analyze_store({}, path(), found));
  // A core that stands at version 0, but for one database, and replays the log.
  const std::string clone = directory_ / "clone";
  stdfs::create_directory(clone);
  const std::string working = layout::working_path(clone);
  stdfs::copy(snapshot(0), working, stdfs::copy_options::recursive);
  stdfs::remove_all(layout::database_path(working, Database::code));
  stdfs::copy(layout::database_path(snapshot(1), Database::code),
              layout::database_path(working, Database::code), stdfs::copy_options::recursive);
  const KnownRoots known(fs::posix(), found);
  const state::Environment environment;
  const CopyAnalysis copy = must(analyze_copy(environment, working, known));
  const auto core =
      must(start_core(environment, options_, path(), clone, found.manifest, copy, nullptr));
  changelog::SurveyOptions survey;
  survey.store = found.manifest.store;
  const auto walk = must(changelog::walk_segments(fs::posix(), log(), survey));
  auto reader =
      must(changelog::Reader::open(fs::posix(), log(), *walk, found.manifest.store, 1, true));
  const auto window = core->new_replay_window();
  PerDataDatabase<bool> take;
  for (const Database which : kDataDatabases) take[which] = true;
  for (std::int64_t version = 1; version <= 3; ++version) {
    auto record = must(reader.next());
    ASSERT_TRUE(record);
    window->clear();
    take[Database::code] = version > 1;
    must(window->add(version, std::move(record->payload), take));
    must(window->prepare(*core->state(), nullptr));
    window->finish();
    changelog::RecordHeader wrong = record->header;
    wrong.roots.root[3] ^= 1;
    const Status root = core->replay_block(wrong, (*window)[0]);
    ASSERT_TRUE(fails_with(root, ErrorCode::corruption, "replay gives the root"));
    EXPECT_EQ(root.error().version, version);
    wrong = record->header;
    wrong.roots.legacy[3] ^= 1;
    const Status checksum = core->replay_block(wrong, (*window)[0]);
    ASSERT_TRUE(fails_with(checksum, ErrorCode::corruption, "replay gives the checksum"));
    EXPECT_EQ(checksum.error().database, Database::legacy);
    EXPECT_EQ(core->state()->version, version - 1) << "nothing is changed";
    must(core->replay_block(record->header, (*window)[0]));
    EXPECT_EQ(core->state()->version, version);
  }
  EXPECT_EQ(core->state()->roots, roots);

  // It commits nothing, and has no log whose sync could be waited for.
  EXPECT_TRUE(fails_with(core->commit(4), ErrorCode::unsupported, "does not commit"));
  EXPECT_TRUE(succeeds(core->wait_durable(3)));
  EXPECT_TRUE(fails_with(core->wait_durable(4), ErrorCode::invalid_argument));
  EXPECT_EQ(core->metrics().log_bytes, 0U);
  EXPECT_EQ(core->durable_version(), 3);
  must(core->flush(true));
  must(core->close());
}

TEST_F(OpenStore, ViewsAreChargedForTheBuffersThatTheyAloneKeep) {
  options_.max_view_bytes = 1;
  options_.recent_versions = 0;
  const auto core = open();
  block(*core);
  auto view = must(core->view_state());
  EXPECT_EQ(core->metrics().view_memory, 0U) << "the store has them, too";
  block(*core);
  must(core->flush(true));
  block(*core);  // the pending block looks through the flushed state
  EXPECT_GT(core->metrics().view_memory, 1U);
  EXPECT_TRUE(fails_with(core->view_state(), ErrorCode::no_space, "views keep"));
  view.reset();
  EXPECT_EQ(core->metrics().view_memory, 0U);
  EXPECT_TRUE(succeeds(core->view_state()));
}

TEST_F(OpenStore, OnceClosedAStoreIsNotRemovedByWhoRetiresIt) {
  Roots roots;
  {
    const auto core = open();
    roots = block(*core);
    must(core->close());
    core->retire();
    EXPECT_TRUE(fails_with(core->commit(2), ErrorCode::store_failed));
  }
  expect_open_at(1, roots);
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

// The variable is read once per process, at the first hash: before the store is looked for.
TEST_F(OpenStore, ARollbackWithAKernelThatThereIsNotIsRefused) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto code_of_rollback = [&] {
    (void)::setenv("FLATKV_KERNEL", "abacus", 1);
    const Status done = rollback_store({}, path(), 1, {});
    return done ? 0 : 1 + static_cast<int>(done.error().code);
  };
  EXPECT_EXIT(std::_Exit(code_of_rollback()),
              testing::ExitedWithCode(1 + static_cast<int>(ErrorCode::invalid_argument)), "");
}

}  // namespace
}  // namespace flatkv::recovery

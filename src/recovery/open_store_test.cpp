// SPDX-License-Identifier: Apache-2.0
// What an open, an undo and their helpers make of stores that lack something, or have too much.
#include "recovery/open_store.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>

#include "changelog/clean_marker.hpp"
#include "changelog/record.hpp"
#include "layout/test_support.hpp"
#include "recovery/create.hpp"
#include "recovery/generation_builder.hpp"
#include "recovery/live_generation.hpp"
#include "recovery/replay.hpp"
#include "recovery/rollback.hpp"

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
  const Roots roots = blocks(3);
  RecoveryAnalysis found;
  must(analyze_store({}, path(), found));
  // A core that stands at version 0 and replays the log.
  const std::string clone = directory_ / "clone";
  stdfs::create_directory(clone);
  stdfs::copy(snapshot(0), layout::working_path(clone), stdfs::copy_options::recursive);
  const KnownRoots known(fs::posix(), found);
  const state::Environment environment;
  const CopyAnalysis copy = must(analyze_copy(environment, layout::working_path(clone), known));
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

/// Lets one change of a name or one sync of a directory fail in whatever `act` does to a copy of
/// the store, each in its turn: it must tell of that, and an open afterwards finds `version`, or
/// `other`.
class EveryFailure : public OpenStore {
 protected:
  using Operation = layout::WatchedFiles::Operation;

  template <class Act>
  void expect_told(Act act, std::int64_t version, std::int64_t other) {
    const std::string before = directory_ / "before";
    const std::string store = path();
    stdfs::copy(store, before, stdfs::copy_options::recursive);
    std::size_t told = 0;
    for (std::size_t at = 1;; ++at) {
      stdfs::remove_all(store);
      stdfs::copy(before, store, stdfs::copy_options::recursive);
      layout::WatchedFiles files;
      std::optional<Operation> failed;
      std::size_t counted = 0;
      files.before = [&](std::size_t, const Operation& operation) {
        if (!counts(files.operations) || ++counted != at) return Status{};
        failed = operation;
        return Status(fail(ErrorCode::io, "injected").path(operation.path));
      };
      const Status done = act(files);
      files.before = {};
      if (!failed) {
        EXPECT_TRUE(succeeds(done));
        break;
      }
      const std::string what = std::to_string(at) + ": " + failed->kind + " " + failed->path;
      EXPECT_TRUE(fails_with(done, ErrorCode::io, "injected")) << what;
      ++told;
      if (at % 8 != 0) continue;  // an open takes long
      const auto opened = try_open();
      ASSERT_TRUE(succeeds(opened)) << what;
      const auto state = opened->core->state();
      EXPECT_TRUE(state->version == version || state->version == other) << what;
      EXPECT_EQ(state->roots, roots_.at(static_cast<std::size_t>(state->version))) << what;
    }
    EXPECT_GT(told, 5U);
  }

  void make_blocks(int count) {
    const auto core = open();
    roots_ = {core->state()->roots};
    for (int i = 0; i < count; ++i) {
      roots_.push_back(block(*core));
      if (i == 1) must(core->snapshot());
    }
    must(core->close());
  }
  Status open_in(layout::WatchedFiles& files) const {
    const state::Environment environment{&files, nullptr};
    const auto opened = open_store(environment, path(), options_);
    files.before = {};
    if (!opened) return std::unexpected(opened.error());
    return opened->core->close();
  }

  std::vector<Roots> roots_;

 private:
  /// Whether the last operation is one to fail. Links are many and all alike; what is removed, and
  /// LOCK, may stay as it is.
  static bool counts(const std::vector<Operation>& operations) {
    const Operation& last = operations.back();
    const auto& before =
        operations[operations.size() - std::min<std::size_t>(operations.size(), 2)];
    if (last.kind == "link" || last.kind == "rmdir" || last.path.ends_with("/LOCK")) return false;
    if (last.kind == "mkdir") return !stdfs::exists(last.path);
    if (is_removal(last)) return false;
    if (last.kind == "unlink") return is_mark(last);
    if (last.kind != "sync") return true;
    if (is_removal(before) || before.kind == "rmdir") return false;
    // The leftovers of a generation are looked for before anything is done in it.
    return !last.path.ends_with("/gen-00000001") && !last.path.ends_with("/gen-00000002");
  }
  static bool is_mark(const Operation& operation) {
    return operation.path.ends_with("/CLEAN") || operation.path.ends_with("/UNDO");
  }
  /// A generation is removed under a name that counts as unfinished.
  static bool is_removal(const Operation& operation) {
    return operation.path.contains("/gen-00000001-");
  }
};

TEST_F(EveryFailure, OfAnOpenWithoutCurrentOrCleanIsTold) {
  make_blocks(4);
  remove_clean();
  Bytes last = slurp(segments().back());
  last.insert(last.end(), 50, 7);
  spill(segments().back(), last);
  stdfs::remove(path() + "/CURRENT");
  expect_told([&](auto& files) { return open_in(files); }, 4, 4);
}

TEST_F(EveryFailure, OfARebuildIsTold) {
  make_blocks(4);
  stdfs::remove_all(working(Database::code));
  expect_told([&](auto& files) { return open_in(files); }, 4, 4);
}

TEST_F(EveryFailure, OfANewLogIsTold) {
  make_blocks(4);
  for (const std::string& segment : segments()) stdfs::remove(segment);
  expect_told([&](auto& files) { return open_in(files); }, 4, 4);
}

TEST_F(EveryFailure, OfARollbackIsTold) {
  make_blocks(4);
  expect_told([&](auto& files) { return rollback_store({&files, nullptr}, path(), 3, {}); }, 4, 3);
}

}  // namespace
}  // namespace flatkv::recovery

// SPDX-License-Identifier: Apache-2.0
// One damaged database of a closed store: found, rebuilt from a snapshot and the log and proven,
// with the others carried over; or refused, with nothing changed.
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/rollback.hpp"
#include "repair/repair_fixture.hpp"
#include "support/repair_one.hpp"

namespace flatkv::test {
namespace {

class RepairOf : public RepairFixture, public ::testing::WithParamInterface<Database> {
 protected:
  Database which() const { return GetParam(); }

  /// The store opens, and a full scan names this database and no other.
  void expect_only_verify_sees_it() {
    auto opened = CommitStore::open(path(), options_);
    ASSERT_OK(opened);
    const auto report = opened->verify();
    ASSERT_OK(report);
    EXPECT_FALSE(report->good());
    for (const DatabaseVerdict& verdict : report->databases) {
      EXPECT_EQ(verdict.good(), verdict.database != which()) << to_string(verdict.database);
    }
    ASSERT_OK(opened->close());
  }
};

INSTANTIATE_TEST_SUITE_P(Each, RepairOf, ::testing::ValuesIn(kDataDatabases),
                         [](const auto& one) { return std::string(to_string(one.param)); });

TEST_P(RepairOf, AChangedRow) {
  build();
  change_row(which());
  expect_only_verify_sees_it();
  const RepairReport report = expect_repaired(which(), RepairSource::snapshot);
  EXPECT_EQ(report.source_version, 10);
  EXPECT_EQ(report.kept_snapshots, (std::vector<std::int64_t>{0, 10, 20}));
  EXPECT_TRUE(report.dropped_snapshots.empty());
  EXPECT_EQ(report.damage->database, which());
  EXPECT_EQ(report.damage->version, 20);
  count_fault("V1", Came::recovered);
}

TEST_P(RepairOf, AMissingRow) {
  build();
  drop_row(which());
  expect_only_verify_sees_it();
  expect_repaired(which(), RepairSource::snapshot);
  count_fault("V1", Came::recovered);
}

TEST_P(RepairOf, ARowTooMany) {
  build();
  Bytes key = some_row(which()).first;
  key.back() ^= 0x55;
  tamper(working(path(), to_string(which())), {{row_key(key), bytes({1, 2, 3})}});
  expect_repaired(which(), RepairSource::snapshot);
  count_fault("V1", Came::recovered);
}

TEST_P(RepairOf, AFlippedByteOfATable) {
  build();
  // Only the live copy has the table of the last flush.
  const auto in_snapshot = tables(snapshots(path()).back(), which());
  std::string table;
  for (const auto& [inode, file] : live_tables(which())) {
    if (!in_snapshot.contains(inode)) table = file;
  }
  ASSERT_FALSE(table.empty());
  copy_tree(path(), aside("good"));
  const std::uint64_t size = stdfs::file_size(table);
  int repaired = 0;
  for (int part = 1; part < 8; ++part) {
    SCOPED_TRACE(part);
    // In place, so that the store's hard links stay; the fixture's copy has none.
    flip_bit(table, 8 * (size * static_cast<std::uint64_t>(part) / 8));
    const auto done = repair_one(path(), which(), repair_options());
    ASSERT_OK(done);
    if (done->repaired()) {
      ++repaired;
      EXPECT_EQ(done->source_version, 10);
      auto opened = CommitStore::open(path(), options_);
      ASSERT_OK(opened);
      EXPECT_TRUE(store_is(*opened, model_.committed()));
      ASSERT_OK(opened->close());
    }
    copy_tree(aside("good"), path());
  }
  EXPECT_GT(repaired, 3);
  count_fault("S9", Came::recovered, static_cast<unsigned>(repaired));
}

TEST_P(RepairOf, AMissingTableAndAMissingDirectory) {
  build();
  copy_tree(path(), aside("good"));
  stdfs::remove(live_tables(which()).begin()->second);
  expect_repaired(which(), RepairSource::snapshot);
  const State tip = model_.committed();
  copy_tree(aside("good"), path());
  model_ = Model();
  while (model_.version() < 20) {
    for (const Changes& changes : script_block(seed_, model_.version() + 1)) model_.apply(changes);
    model_.commit();
  }
  remove_tree(working(path(), to_string(which())));
  expect_repaired(which(), RepairSource::snapshot);
  EXPECT_EQ(model_.version(), tip.version);
  count_fault("S14", Came::recovered, 2);
}

TEST_P(RepairOf, AStrangersLocalMeta) {
  build();
  Bytes local = peek(working(path(), to_string(which())), meta_key("local")).value();
  local[100] ^= 1;
  tamper(working(path(), to_string(which())), {{meta_key("local"), local}});
  expect_repaired(which(), RepairSource::snapshot);
  count_fault("S14", Came::recovered);
}

/// The rows are right, what the database counts of them is not.
TEST_P(RepairOf, WrongCounts) {
  build();
  Bytes stats = peek(working(path(), to_string(which())), meta_key("stats")).value();
  stats.at(15) ^= 1;  // the lowest byte of the number of rows
  tamper(working(path(), to_string(which())), {{meta_key("stats"), stats}});
  const std::string rows = std::to_string(model_.committed().rows[which()].size());
  const std::string before = working(path(), to_string(which()));
  const RepairReport report = expect_repaired(which(), RepairSource::snapshot);
  ASSERT_TRUE(report.damage);
  EXPECT_EQ(report.damage->code, ErrorCode::corruption);
  EXPECT_EQ(report.damage->database, which());
  EXPECT_EQ(report.damage->version, 20);
  EXPECT_EQ(report.damage->path, before);
  EXPECT_NE(report.damage->message.find("a full scan finds " + rows + " rows"), std::string::npos)
      << report.damage->message;
}

TEST_P(RepairOf, SnapshotsThatShareTheDamageGo) {
  build(true);
  // The table of the second flush: live and the snapshot at 20 have it, the one at 10 does not.
  const auto in_older = tables(snapshots(path()).at(1), which());
  std::string shared;
  for (const auto& [inode, file] : tables(snapshots(path()).back(), which())) {
    if (!in_older.contains(inode) && live_tables(which()).contains(inode)) shared = file;
  }
  ASSERT_FALSE(shared.empty());
  flip_bit(shared, 8 * (stdfs::file_size(shared) / 4));
  const RepairReport report = expect_repaired(which(), RepairSource::snapshot);
  EXPECT_EQ(report.source_version, 10);
  EXPECT_EQ(report.dropped_snapshots, std::vector<std::int64_t>{20});
  EXPECT_EQ(report.kept_snapshots, (std::vector<std::int64_t>{0, 10, 20}));
  count_fault("S10", Came::recovered);
}

TEST_P(RepairOf, NoSourceIsLeft) {
  options_.snapshot.keep = 0;
  build(true);
  ASSERT_EQ(snapshots(path()).size(), 1U);
  const auto in_snapshot = tables(snapshots(path()).front(), which());
  ASSERT_FALSE(in_snapshot.empty());
  for (const auto& [inode, file] : in_snapshot) flip_bit(file, 8 * (stdfs::file_size(file) / 4));
  expect_refused(which(), ErrorCode::corruption, repair_options(),
                 {"hard links", "--from STREAM", "snapshot-00000000000000000020", " to 20"});
  count_fault("S10", Came::refused);
}

class Repair : public RepairFixture {};

TEST_F(Repair, WhatVerifiesIsLeftAlone) {
  build();
  const auto before = tree_state(path());
  for (const Database database : {Database::account, Database::code, Database::storage,
                                  Database::legacy, Database::metadata}) {
    const auto done = repair_one(path(), database, repair_options());
    ASSERT_OK(done);
    EXPECT_FALSE(done->repaired());
    EXPECT_FALSE(done->refusal);
    EXPECT_EQ(done->version, 20);
    const Roots roots = model_.committed().roots();
    if (database == Database::storage) {
      EXPECT_EQ(done->checksum, roots.storage);
    }
    if (database == Database::metadata) {
      EXPECT_EQ(done->checksum, roots.root);
    }
  }
  EXPECT_EQ(tree_difference(before, tree_state(path())), "");
}

TEST_F(Repair, AfterAKillEachIsBroughtToTheLogsEnd) {
  open();
  blocks(10);
  ASSERT_OK(store_->snapshot());
  blocks(10);
  image("killed");
  close();
  restore("killed");  // flushed at 10, the log reaches 20
  change_row(Database::storage);
  const auto done = repair_one(path(), Database::storage, repair_options());
  ASSERT_OK(done);
  EXPECT_TRUE(done->repaired());
  EXPECT_EQ(done->version, 20);
  EXPECT_TRUE(all_flushed_at(20));
  EXPECT_EQ(snapshots(path()).size(), 3U);
  open();
  check_and_go_on();
}

TEST_F(Repair, UnevenDatabases) {
  build();
  copy_tree(path(), aside("good"));
  for (const char* behind : {"account", "metadata", "legacy"}) {
    SCOPED_TRACE(behind);
    copy_tree(aside("good"), path());
    copy_tree(snapshots(path()).at(1) + "/" + behind, working(path(), behind));
    remove_clean(path());
    change_row(Database::storage);
    const auto done = repair_one(path(), Database::storage, repair_options());
    ASSERT_OK(done);
    EXPECT_TRUE(done->repaired());
    EXPECT_TRUE(all_flushed_at(20));
    auto opened = CommitStore::open(path(), options_);
    ASSERT_OK(opened);
    EXPECT_TRUE(store_is(*opened, model_.committed()));
    ASSERT_OK(opened->close());
  }
}

/// The metadata database is missing too, but was not asked for: it comes from the four, as in an
/// open.
TEST_F(Repair, AMissingMetadataDatabaseIsMadeAgainOnTheWay) {
  build();
  change_row(Database::storage);
  remove_tree(working(path(), "metadata"));
  const auto done = repair_one(path(), Database::storage, repair_options());
  ASSERT_OK(done);
  EXPECT_TRUE(done->repaired());
  EXPECT_EQ(done->source, RepairSource::snapshot);
  EXPECT_TRUE(all_flushed_at(20));
  open();
  EXPECT_FALSE(store_->open_report().rebuilt_metadata);
  EXPECT_TRUE(store_->verify()->good());
  check_and_go_on();
}

/// A database that verifies, but of a version from which the log no longer leads on.
TEST_F(Repair, ADatabaseFromBeforeTheLog) {
  build(true);
  copy_tree(snapshots(path()).at(1) + "/storage", working(path(), "storage"));
  remove_clean(path());
  remove_tree(snapshots(path()).at(1));
  remove_tree(snapshots(path()).at(0));
  const std::vector<std::string> log = segments(path());
  ASSERT_GT(log.size(), 2U);
  for (std::size_t i = 0; i + 1 < log.size(); ++i) stdfs::remove(log[i]);
  const auto done = repair_one(path(), Database::storage, repair_options());
  ASSERT_OK(done);
  ASSERT_TRUE(done->repaired());
  EXPECT_EQ(done->damage->code, ErrorCode::log_gap);
  EXPECT_EQ(done->damage->database, Database::storage);
  EXPECT_EQ(done->damage->version, 10);
  EXPECT_NE(done->damage->message.find("the database is older"), std::string::npos);
  EXPECT_EQ(done->source, RepairSource::snapshot);
  EXPECT_EQ(done->source_version, 20);
  EXPECT_TRUE(all_flushed_at(20));
  open();
  check_and_go_on();
}

/// The newest snapshots are no source: one has no manifest that can be read, and over the other an
/// older one was copied. The repair takes an older one, says why, and drops those.
TEST_F(Repair, SnapshotsThatAreNotWhatTheySay) {
  open();
  blocks(5);
  ASSERT_OK(store_->snapshot());
  blocks(5);
  ASSERT_OK(store_->snapshot());
  blocks(10);
  ASSERT_OK(store_->snapshot());
  close();
  const std::vector<std::string> all = snapshots(path());
  ASSERT_EQ(all.size(), 4U);  // 0, 5, 10, 20
  for (const std::string& name : names(all.at(0) + "/storage", "")) {
    const Bytes content = read_file(all.at(0) + "/storage/" + name);
    stdfs::remove(all.at(2) + "/storage/" + name);  // the file may be a link
    write_file(all.at(2) + "/storage/" + name, content);
  }
  flip_bit(all.at(3) + "/SNAPSHOT", 800);
  change_row(Database::storage);
  std::string said;
  RepairOptions options = repair_options();
  options.log = [&](LogLevel, std::string_view line) { said += std::string(line) + "\n"; };
  const RepairReport report = expect_repaired(Database::storage, RepairSource::snapshot, options);
  EXPECT_EQ(report.source_version, 5);
  EXPECT_EQ(report.dropped_snapshots, (std::vector<std::int64_t>{10, 20}));
  EXPECT_EQ(report.kept_snapshots, (std::vector<std::int64_t>{0, 5, 20}));
  for (const char* why :
       {"snapshot-00000000000000000010: corruption: a file of the snapshot has another "
        "CRC32C than SNAPSHOT says",
        "snapshot-00000000000000000010/storage/CURRENT",
        "snapshot-00000000000000000020: corruption: the file's digest is",
        "snapshot-00000000000000000020/SNAPSHOT"}) {
    EXPECT_NE(said.find(why), std::string::npos) << why << " is not in: " << said;
  }
}

TEST_F(Repair, TwoDamagedDatabasesOneAfterTheOther) {
  build();
  change_row(Database::account);
  remove_tree(working(path(), "code"));
  expect_refused(Database::account, ErrorCode::corruption, repair_options(),
                 {"another database", "--db code"});
  const auto code = repair_one(path(), Database::code, repair_options());
  ASSERT_OK(code);
  EXPECT_TRUE(code->repaired());
  expect_repaired(Database::account, RepairSource::snapshot);
}

/// Either repair alone relies on the other database.
TEST_F(Repair, TwoDamagedDatabasesInOneRun) {
  build();
  remove_tree(working(path(), "account"));
  remove_tree(working(path(), "storage"));
  for (const Database one : {Database::account, Database::storage}) {
    expect_refused(
        one, ErrorCode::corruption, repair_options(),
        {"another database", "`flatkv repair " + path() + " --db account --db storage`"});
  }
  // In any order, one of them twice, and one that verifies.
  const auto done = repair_databases(
      path(), std::vector{Database::storage, Database::account, Database::code, Database::storage},
      repair_options());
  ASSERT_OK(done);
  ASSERT_EQ(done->size(), 3U);
  EXPECT_EQ(done->at(0).database, Database::storage);
  EXPECT_EQ(done->at(1).database, Database::account);
  EXPECT_FALSE(done->at(2).repaired());
  const Roots roots = model_.committed().roots();
  EXPECT_EQ(done->at(0).checksum, roots.storage);
  EXPECT_EQ(done->at(1).checksum, roots.account);
  for (const RepairReport& one : {done->at(0), done->at(1)}) {
    EXPECT_TRUE(one.repaired());
    EXPECT_EQ(one.source_version, 10);
    EXPECT_EQ(one.version, 20);
    EXPECT_EQ(one.kept_snapshots, (std::vector<std::int64_t>{0, 10, 20}));
  }
  open();
  EXPECT_EQ(store_->open_report().replayed_blocks, 0);
  check_and_go_on();
  EXPECT_TRUE(store_->verify()->good());
  count_fault("S14", Came::recovered);
}

/// No snapshot has both databases intact, so an open has none to use.
TEST_F(Repair, TwoDamagedDatabasesFromTwoSnapshots) {
  build(true);
  remove_tree(snapshots(path()).at(0));
  // Damages the last bytes of tables, without which they do not open; for `storage` in its own
  // file.
  const auto older = tables(snapshots(path()).at(0), Database::account);
  for (const auto& [inode, file] : live_tables(Database::account)) {
    if (!older.contains(inode)) flip_bit(file, 8 * (stdfs::file_size(file) - 1));
  }
  const std::string table = tables(snapshots(path()).at(0), Database::storage).begin()->second;
  Bytes content = read_file(table);
  content.back() ^= 1;
  stdfs::remove(table);
  write_file(table, content);
  remove_tree(working(path(), "storage"));
  EXPECT_TRUE(fails(try_open(), ErrorCode::corruption));
  const auto info = inspect_store(path());
  ASSERT_OK(info);
  ASSERT_FALSE(info->remedies.empty());
  EXPECT_EQ(info->remedies.front(), "flatkv repair " + path() + " --db account --db storage");
  const auto done =
      repair_databases(path(), std::vector{Database::account, Database::storage}, repair_options());
  ASSERT_OK(done);
  EXPECT_EQ(done->at(0).source_version, 10);
  EXPECT_EQ(done->at(1).source_version, 20);
  EXPECT_EQ(done->at(0).dropped_snapshots, (std::vector<std::int64_t>{10, 20}));
  EXPECT_EQ(done->at(0).kept_snapshots, (std::vector<std::int64_t>{20}));
  open();
  check_and_go_on();
  count_fault("S14", Came::recovered);
}

TEST_F(Repair, AllFiveInOneRun) {
  build();
  remove_tree(live_generation(path()) + "/working");
  const std::vector<Database> all = {Database::metadata, Database::account, Database::code,
                                     Database::storage, Database::legacy};
  const auto done = repair_databases(path(), all, repair_options());
  ASSERT_OK(done);
  for (const RepairReport& one : *done) EXPECT_TRUE(one.repaired());
  EXPECT_EQ(done->front().source, RepairSource::local_meta);
  EXPECT_EQ(done->front().checksum, model_.committed().roots().root);
  open();
  check_and_go_on();
  close();
  EXPECT_TRUE(fails(repair_databases(path(), std::vector<Database>{}, repair_options()),
                    ErrorCode::invalid_argument));
}

TEST_F(Repair, BlocksCommittedOnTheDamageAreNamed) {
  build();
  const auto [key, value] = some_row(Database::storage);
  change_row(Database::storage);
  open();
  Changes overwrite;
  Bytes external = bytes({3});
  external.insert(external.end(), key.begin(), key.end());
  overwrite.set(external, value);
  ASSERT_OK(store_->apply(overwrite));
  ASSERT_OK(store_->commit(21));  // subtracts an old element that was never added
  close();
  expect_refused(Database::storage, ErrorCode::corruption, repair_options(),
                 {"committed on the damaged rows", "rollback", " 20`", "version 21"});
  ASSERT_OK(rollback(path(), 20));
  const auto done = repair_one(path(), Database::storage, repair_options());
  ASSERT_OK(done);
  EXPECT_FALSE(done->repaired()) << "going back rebuilt it from the snapshot";
  open();
  check_and_go_on();
}

TEST_F(Repair, ALogThatLacksDurableBlocks) {
  build();
  change_row(Database::account);
  stdfs::remove(segments(path()).back());
  remove_clean(path());
  copy_tree(snapshots(path()).at(1) + "/code", working(path(), "code"));
  expect_refused(Database::account, ErrorCode::log_behind, repair_options(), {"version 20"});
  count_fault("C6", Came::refused);
}

/// An open gives the store a new log, so a repair leaves that to it. After that the older snapshot
/// is good, but nothing leads on from it.
TEST_F(Repair, ALogWhoseEndIsLostIsForAnOpen) {
  build();
  change_row(Database::storage);
  stdfs::remove(segments(path()).back());
  expect_refused(Database::storage, ErrorCode::log_behind, repair_options(),
                 {"the end of the changelog is lost", "`flatkv snapshot " + path() + "`"});
  open();
  EXPECT_TRUE(store_->open_report().lost_log_tail);
  close();
  expect_refused(Database::storage, ErrorCode::log_gap, repair_options(),
                 {"good, but the changelog does not lead on from it", "--from STREAM"});
}

/// Neither log nor snapshot nor CLEAN has the roots: the metadata database tells of the damage.
TEST_F(Repair, OnlyTheMetadataDatabaseHasTheRoots) {
  build();
  keep_only_the_databases_at_the_tip();
  const auto before = tree_state(path());
  const auto good = repair_one(path(), Database::storage, repair_options());
  ASSERT_OK(good);
  EXPECT_FALSE(good->repaired());
  EXPECT_EQ(good->checksum, model_.committed().roots().storage);
  EXPECT_EQ(tree_difference(before, tree_state(path())), "");
  // The database agrees with itself, but not with the metadata database.
  Bytes local = peek(working(path(), "storage"), meta_key("local")).value();
  local[100] ^= 1;
  tamper(working(path(), "storage"), {{meta_key("local"), local}});
  expect_refused(Database::storage, ErrorCode::log_gap, repair_options(),
                 {"LocalMeta has the checksum",
                  "metadata database of that version " + to_hex(model_.committed().roots().storage),
                  "at a version from 20 to 20"});
}

TEST_F(Repair, AHoleInTheLogOnTheWay) {
  build();
  change_row(Database::account);
  stdfs::remove(segments(path()).at(segments(path()).size() / 2));
  for (const std::string& snapshot : snapshots(path())) {
    if (snapshot.ends_with("20")) remove_tree(snapshot);
  }
  expect_refused(Database::account, ErrorCode::log_gap, repair_options(),
                 {"does not lead on", "--from"});
  count_fault("W6", Came::refused);
}

TEST_F(Repair, CancelledAtAnyMomentAndThenDone) {
  build();
  change_row(Database::storage);
  const auto before = tree_state(path());
  unsigned stops = 0;
  for (unsigned after = 0;; ++after) {
    std::stop_source cancel;
    if (after == 0) cancel.request_stop();
    unsigned calls = 0;
    RepairOptions options = repair_options();
    options.stop = cancel.get_token();
    options.progress = [&](std::string_view, std::uint64_t, std::uint64_t) {
      if (++calls == after) cancel.request_stop();
    };
    const auto done = repair_one(path(), Database::storage, options);
    if (done) break;
    ASSERT_TRUE(fails(done, ErrorCode::cancelled));
    ASSERT_EQ(tree_difference(before, tree_state(path())), "");
    ASSERT_LT(++stops, 1000U);
  }
  EXPECT_GT(stops, 2U);
  open();
  check_and_go_on();
}

TEST_F(Repair, NotUnderSomebodyElse) {
  open();
  blocks(3);
  EXPECT_TRUE(fails(repair_one(path(), Database::code, repair_options()), ErrorCode::locked));
  EXPECT_TRUE(
      fails(repair_one(aside("nothing"), Database::code, repair_options()), ErrorCode::not_found));
}

TEST_F(Repair, AMissingCurrentIsWrittenFirst) {
  build();
  change_row(Database::legacy);
  stdfs::remove(path() + "/CURRENT");
  expect_repaired(Database::legacy, RepairSource::snapshot);
}

}  // namespace
}  // namespace flatkv::test
